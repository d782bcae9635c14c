package embedded

import (
	"errors"
	"maps"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/rs/zerolog"
)

// Config says where the cluster lives. Zero values get sensible defaults.
type Config struct {
	DataDir  string         // the platform's data directory; the cluster is DataDir/postgres, made when absent
	BinDir   string         // forced location of PostgreSQL's programs; "" searches the machine
	CacheDir string         // where a downloaded build is kept; "" is the user's cache, or DataDir/cache
	Log      zerolog.Logger // what Start does that takes time

	// Settings overrides PostgreSQL settings. Tests turn fsync off with it; nothing else should.
	Settings map[string]string

	places []string                     // glob patterns of program directories; nil is the usual places
	look   func(string) (string, error) // finds a program on the PATH; nil is exec.LookPath
}

func (c Config) withDefaults() (Config, error) {
	if c.DataDir == "" {
		return c, errors.New("embedded PostgreSQL: no data directory given")
	}
	dir, err := filepath.Abs(c.DataDir)
	if err != nil {
		return c, err
	}
	c.DataDir = dir
	if c.places == nil {
		c.places = usualPlaces()
	}
	if c.look == nil {
		c.look = exec.LookPath
	}
	return c, nil
}

func (c Config) cluster() string { return filepath.Join(c.DataDir, "postgres") }

// throwaway tells clusters whose data nobody wants back after a power cut.
func (c Config) throwaway() bool { return c.Settings["fsync"] == "off" }

// arguments are the settings of a small machine as command line options, which win over postgresql.conf and ALTER SYSTEM:
// no file in the cluster can turn durability off.
func (c Config) arguments(socket string, lz4 bool) []string {
	set := map[string]string{
		"fsync":              "on",
		"synchronous_commit": "on",
		"full_page_writes":   "on",

		"listen_addresses":        "",
		"unix_socket_directories": quoteDirectory(socket),
		"unix_socket_permissions": "0700",
		"port":                    port,
		"max_connections":         "200",

		"shared_buffers":     "256MB",
		"max_wal_size":       "2GB",
		"checkpoint_timeout": "15min",
		"wal_compression":    "on",
		"random_page_cost":   "1.1", // solid state disks
		"jit":                "off", // compiling costs more than our short statements

		"idle_in_transaction_session_timeout": "60s",

		"cluster_name":        "talkable",
		"timezone":            "UTC",
		"log_timezone":        "UTC",
		"lc_messages":         "C",     // this package reads the log
		"log_error_verbosity": "terse", // details quote rows, and rows hold personal data
		"log_line_prefix":     "%m [%p] %q%a ",
	}
	if lz4 {
		set["wal_compression"] = "lz4"
	}
	if runtime.GOOS == "linux" { // PostgreSQL 14 refuses to start with it elsewhere
		set["client_connection_check_interval"] = "10s"
	}
	maps.Copy(set, c.Settings)
	args := make([]string, 0, 2*len(set))
	for _, name := range slices.Sorted(maps.Keys(set)) {
		args = append(args, "-c", name+"="+set[name])
	}
	return args
}
