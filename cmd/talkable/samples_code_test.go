package main

// codeSamples are of the programme as code.
var codeSamples = []sample{
	{id: "exportProgramme"},
	{id: "planProgramme", body: `{"file":{"format":"talkable-programme-1","actions":[{"identifier":"as_code","name":"As code","points":5}]},"prune":false,"effective_at":null}`},
	{id: "applyProgramme", body: `{"file":{"format":"talkable-programme-1","actions":[{"identifier":"as_code","name":"As code","points":5}]},"prune":false,"effective_at":null,"reason":"To try it"}`},
}
