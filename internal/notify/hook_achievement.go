package notify

import (
	"context"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

// onAchievement writes to members who have reached something. Of a history that is imported nobody is told, as of tiers.
func (m *Module) onAchievement(ctx context.Context, u *bus.Unit, batch []bus.Event[loyaltyevent.AchievementReached]) error {
	if err := announce(ctx, m, u, batch, fromAchievement); err != nil {
		return err
	}
	return notices(ctx, m, u, achievementReached, batch, func(a loyaltyevent.AchievementReached) (siteID, personID int64, id string, f noticeFacts) {
		if u.Now.Sub(a.ReachedAt) > staleTier {
			return 0, 0, "", f
		}
		o, _ := fromAchievement(a)
		if f.Achievement = a.Name; a.LevelName != "" {
			f.Achievement += ", " + a.LevelName
		}
		return a.SiteID, a.PersonID, o.id, f
	})
}

// fromAchievement tells of something that a member reached; what was lost may be reached again, in another round.
func fromAchievement(a loyaltyevent.AchievementReached) (occasion, bool) {
	return occasion{siteID: a.SiteID, kind: "achievement.reached", personID: a.PersonID, at: a.ReachedAt, data: a,
		id: itoa(a.MemberID) + ":" + a.Achievement + ":" + itoa(a.Level) + ":" + a.Period + ":" + itoa(a.Nth) + ":" + itoa(a.Round)}, true
}

func fromLoss(a loyaltyevent.AchievementLost) (occasion, bool) {
	return occasion{siteID: a.SiteID, kind: "achievement.lost", personID: a.PersonID, at: a.LostAt, data: a,
		id: itoa(a.MemberID) + ":" + a.Achievement + ":" + itoa(a.Level) + ":" + a.Period + ":" + itoa(a.Nth) + ":" + itoa(a.Round)}, true
}

func fromStreak(s loyaltyevent.StreakBroken) (occasion, bool) {
	return occasion{siteID: s.SiteID, kind: "streak.broken", personID: s.PersonID, at: s.BrokenAt, data: s,
		id: itoa(s.MemberID) + ":" + s.Achievement + ":" + itoa(s.BrokenAt.UnixMicro())}, true
}
