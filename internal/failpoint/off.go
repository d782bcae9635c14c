//go:build !failpoint

package failpoint

// On says whether this build kills.
const On = false

// Hit marks a moment at which a kill test may end the process.
func Hit(string) {}
