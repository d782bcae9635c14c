//go:build ungrouped

package postgres

// grouped is off: each request is a transaction of its own.
const grouped = false
