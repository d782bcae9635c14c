package bus

// Small makes partitions of size rows, so that a test sees many.
func (t *Table) Small(size int64) *Table {
	t.size, t.limit = size, int(size/2) // one move must find place
	return t
}
