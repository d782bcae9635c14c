package embedded

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const logLimit = 8 << 20

// logFile is DataDir/postgres.log, which PostgreSQL writes to directly, so that it can also write when this process is gone. It is
// kept below some size by moving what it holds to postgres.log.1; that may lose a line or two.
type logFile struct {
	path  string
	file  *os.File
	start int64 // where this run begins

	mu    sync.Mutex
	timer *time.Timer
}

func openLog(dataDir string) (*logFile, error) {
	l := &logFile{path: filepath.Join(dataDir, "postgres.log")}
	var err error
	if l.file, err = os.OpenFile(l.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
		return nil, err
	}
	if err = l.trim(); err == nil {
		l.start, err = l.file.Seek(0, io.SeekEnd)
	}
	if err != nil {
		return nil, errors.Join(err, l.file.Close())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer = time.AfterFunc(time.Minute, l.tick)
	return l, nil
}

func (l *logFile) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer == nil {
		return
	}
	_ = l.trim() // a full disk is PostgreSQL's to report; the next tick tries again
	l.timer.Reset(time.Minute)
}

// trim copies and truncates: the file is open in another process, and a rename would take it along.
func (l *logFile) trim() error {
	info, err := l.file.Stat()
	if err != nil || info.Size() < logLimit {
		return err
	}
	old, err := os.OpenFile(l.path+".1", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(old, io.NewSectionReader(l.file, 0, info.Size()))
	if err = errors.Join(err, old.Close()); err != nil {
		return err
	}
	return l.file.Truncate(0)
}

// tail is the end of what this run has logged.
func (l *logFile) tail() string {
	const most = 4 << 10
	info, err := l.file.Stat()
	if err != nil {
		return err.Error()
	}
	from := l.start
	if info.Size() < from { // trimmed since
		from = 0
	}
	from = max(from, info.Size()-most)
	b, err := io.ReadAll(io.NewSectionReader(l.file, from, most))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}

func (l *logFile) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	_ = l.file.Close() // nothing of ours is buffered in it
}
