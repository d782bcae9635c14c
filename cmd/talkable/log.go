package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"
)

// init sets zerolog's names to those of the Elastic Common Schema. zerolog keeps them in package variables, so this is the one
// place where the program sets any.
func init() {
	zerolog.TimestampFieldName = "@timestamp"
	zerolog.LevelFieldName = "log.level"
	zerolog.MessageFieldName = "message"
	zerolog.ErrorFieldName = "error.message"
	zerolog.TimeFieldFormat = time.RFC3339Nano
	zerolog.TimestampFunc = func() time.Time { return time.Now().UTC() }
	log := zerolog.New(os.Stderr).With().Timestamp().Logger()
	zerolog.DefaultContextLogger = &log // a logger missing from a context would otherwise be silent
}

// newLog writes JSON lines in ECS, or readable text where a person looks at it.
func newLog(c *config, w io.Writer) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(c.LogLevel)
	if err != nil {
		return zerolog.Nop(), fmt.Errorf(prefix+"LOG_LEVEL: %q is none of debug, info, warn, error", c.LogLevel)
	}
	text := c.LogFormat == "text" || c.LogFormat == "auto" && isTerminal(w)
	if text {
		return zerolog.New(zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: !isTerminal(w)}).Level(level).With().Timestamp().Logger(), nil
	}
	return zerolog.New(w).Level(level).With().Timestamp().Str("ecs.version", "8.11.0").Str("service.name", "talkable").
		Str("service.version", version).Logger(), nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
