// Package timeline is the form in which every module tells what happened to a person; the gateway merges them.
package timeline

import (
	"sort"
	"time"
)

// Entry is one thing that happened.
type Entry struct {
	At      time.Time      `json:"at"`
	Module  string         `json:"module" example:"loyalty"`
	Type    string         `json:"type" example:"points_earned"`
	ID      int64          `json:"id" doc:"The id of the thing within its module"`
	Summary string         `json:"summary" example:"Earned 500 points for referral 7"`
	Data    map[string]any `json:"data,omitempty"`
}

// Place is where a page ends: entries after it are older. The zero Place is the newest end.
type Place struct {
	At     time.Time `json:"at"`
	Module string    `json:"module"`
	Type   string    `json:"type"`
	ID     int64     `json:"id"`
}

// Merge keeps the newest limit entries of several newest-first lists, and says whether more were there.
func Merge(limit int, lists ...[]Entry) ([]Entry, bool) {
	var all []Entry
	for _, l := range lists {
		all = append(all, l...)
	}
	sort.SliceStable(all, func(i, j int) bool { return after(all[j].Place(), all[i].Place()) })
	if len(all) > limit {
		return all[:limit], true
	}
	return all, false
}

// Place of the entry.
func (e Entry) Place() Place { return Place{At: e.At, Module: e.Module, Type: e.Type, ID: e.ID} }

// Older says whether e comes after p in a newest-first list. Modules read entries with At not after p.At and drop those that
// aren't Older.
func (p Place) Older(e Entry) bool { return p.At.IsZero() || after(e.Place(), p) }

// after orders newest first: by time, then module, type and id, all descending.
func after(a, b Place) bool {
	switch {
	case !a.At.Equal(b.At):
		return a.At.Before(b.At)
	case a.Module != b.Module:
		return a.Module < b.Module
	case a.Type != b.Type:
		return a.Type < b.Type
	default:
		return a.ID < b.ID
	}
}
