package embedded

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Attach finds the cluster that another talkable runs on this data directory, so that a command can work beside `serve`. False
// means that none runs. It waits some seconds for one that is just starting. Stop on an attached server does nothing.
func Attach(dataDir string) (*Server, bool, error) {
	c, err := Config{DataDir: dataDir}.withDefaults()
	if err != nil {
		return nil, false, err
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		owner, locked, err := lockOwner(c.DataDir)
		if err != nil || !locked {
			return nil, false, err
		}
		p, err := readPostmaster(c.cluster())
		if err != nil {
			return nil, false, err
		}
		if running, _ := p.running(c.cluster()); running && p.status == "ready" {
			found, err := attachedPrograms(c.cluster())
			if err != nil {
				return nil, false, err
			}
			return &Server{dataDir: c.DataDir, socket: p.socket, programs: found, pid: p.pid}, true, nil
		}
		if time.Now().After(end) {
			return nil, false, fmt.Errorf("talkable (pid %d) owns %s, but its PostgreSQL is not ready", owner, c.DataDir)
		}
	}
}

// attachedPrograms are those that the running postmaster was started with; it writes its command line down.
func attachedPrograms(cluster string) (programs, error) {
	b, err := os.ReadFile(filepath.Join(cluster, "postmaster.opts"))
	if err != nil {
		return programs{}, err
	}
	return inspect(context.Background(), filepath.Dir(firstWord(string(b))))
}
