//go:build !ungrouped

package postgres

// grouped says that a Group gathers requests. The tag "ungrouped" builds what bench compares with: the same work, one transaction
// for each request.
const grouped = true
