package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// mind starts the process and waits for its end, on one thread: the kernel ties the process's life to the thread that made it.
func (s *Server) mind(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	started <- err
	if err != nil {
		return
	}
	_ = cmd.Wait() // the process's state says it all
	s.mu.Lock()
	s.last = s.log.tail()
	if !s.stopping {
		s.err = fmt.Errorf("PostgreSQL ended by itself (%s):\n%s", cmd.ProcessState, s.last)
	}
	s.mu.Unlock()
	s.log.close()
	close(s.done)
}

// Stop shuts the cluster down and waits for it. Clients are cut off. When ctx ends first (or after a minute) it goes the hard way,
// which loses nothing but makes the next Start recover, and says so. On an attached server Stop does nothing.
func (s *Server) Stop(ctx context.Context) error {
	if s.done == nil {
		return nil
	}
	s.mu.Lock()
	s.stopping = true
	s.mu.Unlock()

	err := s.shutdown(ctx)
	select {
	case <-s.done:
	default:
		return err // still there, and so the lock stays
	}
	// Leftovers in the way of nothing: PostgreSQL has removed its socket, unless it was killed.
	if e := os.Remove(s.socket); e != nil && !errors.Is(e, os.ErrNotExist) && !errors.Is(e, syscall.ENOTEMPTY) {
		err = errors.Join(err, e)
	}
	return errors.Join(err, s.lock.release())
}

func (s *Server) shutdown(ctx context.Context) error {
	if s.ended(ctx, syscall.SIGINT, fast) {
		return nil
	}
	late := errors.New("PostgreSQL did not stop in time and was cut off: the next start recovers")
	rest := context.WithoutCancel(ctx)
	if s.ended(rest, syscall.SIGQUIT, hard) || s.ended(rest, syscall.SIGKILL, hard) {
		return late
	}
	return fmt.Errorf("PostgreSQL (pid %d) does not end, not even by SIGKILL", s.pid)
}

// ended sends sig and tells whether the process ended in time.
func (s *Server) ended(ctx context.Context, sig syscall.Signal, limit time.Duration) bool {
	select {
	case <-s.done:
		return true // reaped: the number may be another's by now
	default:
	}
	_ = syscall.Kill(s.pid, sig) // fails only when the process is gone, and then done says so
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-s.done:
		return true
	case <-ctx.Done():
	case <-timer.C:
	}
	return false
}
