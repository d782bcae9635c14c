// Package failpoint names the moments at which a process may die in a kill test. In ordinary builds a hit is nothing at all;
// built with the tag "failpoint", TALKABLE_FAILPOINT="bus.after_commit:3" kills the own process (SIGKILL) at the third hit of
// that name, so that no deferred call and no buffer is saved. TALKABLE_FAILPOINT_PAUSE="bus.before_commit:20ms:4" lets every fourth
// hit wait 20 ms, so that somebody outside can find the moment.
package failpoint

import "slices"

// names are all there are; a test can loop over them. A hit of another name panics in a build that kills.
var names = []string{
	"bus.before_commit",                 // the events are in the outbox, nothing is committed
	"bus.after_commit",                  // committed, and nobody was told that there is something to move
	"bus.after_move",                    // moved into the log, and no consumer was woken
	"bus.consumer_before_commit",        // effects and cursor are written, nothing is committed
	"bus.consumer_after_commit",         // committed, and the consumer does not know it yet
	"notify.before_transmit",            // a message is marked as in transmission, and nothing of it has left
	"notify.after_transmit_before_mark", // the mail server has answered, and nothing says so
	"notify.after_call_before_mark",     // a merchant's webhook has answered, and nothing says so
}

// Names lists the failpoints.
func Names() []string { return slices.Clone(names) }
