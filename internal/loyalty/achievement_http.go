package loyalty

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/loyalty/feat"
	"github.com/talkable/talkable/internal/web"
)

// featRoutes adds what a merchant sees of achievements. Members' own are read through the edge, which knows how requests name people.
func (m *Module) featRoutes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "listAchievements", Method: http.MethodGet, Path: "/api/v2/loyalty/achievements", Tags: []string{"Loyalty"},
		Summary:     "List the achievements with how many members reached each",
		Description: "In the programme's order, level by level. They are set by PUT /loyalty/programs/{id}. Errors: 404 `program_not_found`."}, m.listFeats)
}

type featLevelView struct {
	Level   int    `json:"level"`
	Name    string `json:"name"`
	Goal    int64  `json:"goal"`
	Members int64  `json:"members" doc:"Who reached it, and didn't lose it"`
	Times   int64  `json:"times" doc:"How often it was reached in all"`
}

type featView struct {
	Achievement feat.Achievement `json:"achievement"`
	Levels      []featLevelView  `json:"levels"`
}

type featsAnswer struct {
	ProgramID    int64      `json:"program_id"`
	Achievements []featView `json:"achievements"`
	NextCursor   *string    `json:"next_cursor" doc:"Always null: all are on this page"`
}

func (m *Module) listFeats(ctx context.Context, _ *struct{}) (*web.OK[featsAnswer], error) {
	site := web.From(ctx).Site.ID
	programs, err := programsOf(ctx, m.db, site)
	if err != nil {
		return nil, err
	}
	if len(programs) == 0 {
		return nil, errNoProgram
	}
	p, err := complete(ctx, m.db, programs[0])
	if err != nil {
		return nil, err
	}
	counts, err := countFeats(ctx, m.db, site)
	if err != nil {
		return nil, err
	}
	out := featsAnswer{ProgramID: p.ID, Achievements: []featView{}}
	for _, a := range p.Feats.view() {
		v := featView{Achievement: a, Levels: []featLevelView{}}
		for i, l := range a.Goals() {
			n := counts[featLevel{a.Key, i + 1}]
			v.Levels = append(v.Levels, featLevelView{Level: i + 1, Name: l.Name, Goal: l.Goal, Members: n.Members, Times: n.Times})
		}
		out.Achievements = append(out.Achievements, v)
	}
	return web.Answer(out), nil
}
