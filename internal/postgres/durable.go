package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jmoiron/sqlx"
)

// Oldest is the first major version that the platform's SQL runs on.
const Oldest = 15

// CheckServer refuses a server that is too old, or one that may lose what it said is committed. It returns the server's version.
func CheckServer(ctx context.Context, db *sqlx.DB) (version string, err error) {
	var rows []struct {
		Name    string `db:"name"`
		Setting string `db:"setting"`
	}
	err = db.SelectContext(ctx, &rows, `
		select name, setting from pg_catalog.pg_settings
		where name in ('fsync', 'full_page_writes', 'synchronous_commit', 'server_version', 'server_version_num')`)
	if err != nil {
		return "", fmt.Errorf("read the server's settings: %w", err)
	}
	set := map[string]string{}
	for _, r := range rows {
		set[r.Name] = r.Setting
	}
	var number int
	if _, err := fmt.Sscan(set["server_version_num"], &number); err != nil {
		return "", fmt.Errorf("read the server's version %q: %w", set["server_version_num"], err)
	}
	if number/10000 < Oldest {
		return set["server_version"], fmt.Errorf("the database is PostgreSQL %s; %d or newer is needed", set["server_version"], Oldest)
	}
	var off []string
	for _, name := range []string{"fsync", "full_page_writes", "synchronous_commit"} {
		if set[name] == "off" {
			off = append(off, name)
		}
	}
	if len(off) > 0 {
		return set["server_version"], fmt.Errorf("the database has %s switched off, so a crash would lose what was answered as done; switch it on "+
			"(ALTER SYSTEM SET %s = on; SELECT pg_reload_conf();)", strings.Join(off, ", "), off[0])
	}
	return set["server_version"], nil
}
