package main

// achievementSamples are of achievements, challenges and streaks.
var achievementSamples = []sample{
	{id: "replaceLoyaltyProgram", path: map[string]string{"id": "$program"}, body: `{"name":"Club 5","points_per_unit":1,"tiers":[{"name":"Silver","threshold":1000}],
		"earning":{"rules":[{"key":"regular","on":"achievement","achievement":"regular","level":2,"kind":"fixed","points":50}]},
		"achievements":[{"key":"regular","name":"Regular","description":"Orders of a month","image_url":"https://shop.example/regular.png","kind":"count","counts":"orders","when":"origin.subtotal >= 1",
		"period":"month","levels":[{"name":"Bronze","goal":1},{"name":"Silver","goal":3}],"repeat":"again","times":12,"starts_at":"2026-01-01T00:00:00Z","ends_at":"2199-01-01T00:00:00Z","revoke":true},
		{"key":"daily","name":"Daily","kind":"streak","counts":"events","of":"login","period":"day","goal":7,"each":1,"freezes":1,"hidden":true},
		{"key":"sprint","name":"Sprint","counts":"spend","period":"rolling","days":7,"goal":10000,"enrolment":"opt_in","accept_days":7},{"key":"leap","name":"Leap","counts":"products","goal":9,"enrolment":"opt_in"}]}`},
	{id: "listAchievements"},
	{id: "listMemberAchievements", path: map[string]string{"email": "ann@shop.example"}, query: "hidden=true"},
	{id: "listAchievementThings", path: map[string]string{"email": "ann@shop.example", "achievement": "regular"}, query: "limit=5"},
	{id: "acceptChallenge", path: map[string]string{"email": "ann@shop.example", "achievement": "sprint"}, body: `{}`},
	{id: "acceptChallenge", path: map[string]string{"email": "ann@shop.example", "achievement": "leap"}, body: `{}`},
	{id: "leaveChallenge", path: map[string]string{"email": "ann@shop.example", "achievement": "leap"}, body: `{}`},
	{id: "grantAchievement", path: map[string]string{"email": "ann@shop.example", "achievement": "regular"}, body: `{"level":2,"note":"Won our photo contest"}`},
	{id: "revokeAchievement", path: map[string]string{"email": "ann@shop.example", "achievement": "regular"}, body: `{"level":2,"note":"It was another"}`},
}
