package main

import "context"

func fill(ctx context.Context, pg *database, o options) error { return nil }

func (b *bench) filled(ctx context.Context) error { return nil }
