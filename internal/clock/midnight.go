package clock

import "time"

// Midnight is the first moment of a day in a zone. Where the clocks go forward at midnight there is none, and the day begins an hour later;
// time.Date would say 23:00 of the day before. Days and months may be out of their ranges, as time.Date takes them.
func Midnight(year int, month time.Month, day int, zone *time.Location) time.Time {
	at := time.Date(year, month, day, 0, 0, 0, 0, zone)
	if at.Day() != time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Day() {
		_, at = at.ZoneBounds()
	}
	return at
}
