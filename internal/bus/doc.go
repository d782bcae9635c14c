// Package bus carries what modules tell each other: a sequenced log per module, and a cursor per consumer.
package bus
