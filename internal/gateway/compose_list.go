package gateway

import (
	"context"
	"strconv"

	"github.com/talkable/talkable/internal/web"
)

// memberList is a page of what a member has, and the cursor of the next one; nil: it was the last. what names the list, so that no other
// takes its cursors; placeOf is where the page after an element begins.
func memberList[T, A any](ctx context.Context, c Composition, in *entriesInput, what string,
	read func(ctx context.Context, siteID, personID int64, after A, limit int) ([]T, bool, error), placeOf func(T) A) ([]T, *string, error) {
	req := web.From(ctx)
	who, err := c.member(ctx, in.Slug)
	if err != nil {
		return nil, nil, err
	}
	var after A
	list := what + " of " + strconv.FormatInt(who, 10)
	if _, err := c.Cursors.Decode(req.Site.ID, list, in.Cursor, &after); err != nil {
		return nil, nil, err
	}
	page, more, err := read(ctx, req.Site.ID, who, after, in.Limit)
	if err != nil {
		return nil, nil, unknownMember(err)
	}
	if !more {
		return orEmpty(page), nil, nil
	}
	next := c.Cursors.Encode(req.Site.ID, list, placeOf(page[len(page)-1]))
	return page, &next, nil
}

// siteList reads a page of something of the site.
func siteList[T, A any](ctx context.Context, c Composition, in web.Page, list string,
	read func(ctx context.Context, siteID int64, after A, limit int) ([]T, bool, error), placeOf func(T) A) ([]T, *string, error) {
	site := web.From(ctx).Site.ID
	var after A
	if _, err := c.Cursors.Decode(site, list, in.Cursor, &after); err != nil {
		return nil, nil, err
	}
	page, more, err := read(ctx, site, after, in.Limit)
	if err != nil || !more {
		return orEmpty(page), nil, err
	}
	next := c.Cursors.Encode(site, list, placeOf(page[len(page)-1]))
	return page, &next, nil
}
