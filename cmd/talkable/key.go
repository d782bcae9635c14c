package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/gateway"
)

func keyCommand(c *config) *cobra.Command {
	cmd := &cobra.Command{Use: "key", Short: "Create and revoke API keys",
		Long: "A secret key may do everything for its site and belongs on servers. A public key may be put into a page or an app: it can call the\n" +
			"few operations that those need, and what it says earns nothing until the secret key confirms it."}
	cmd.AddCommand(keyCreate(c), keyRevoke(c))
	return cmd
}

func keyCreate(c *config) *cobra.Command {
	var public bool
	var name string
	cmd := &cobra.Command{Use: "create SITE", Short: "Make a key and print it, once", Args: cobra.ExactArgs(1),
		Example: "  talkable key create shop --name 'web shop'\n  talkable key create shop --public --name app",
		RunE: beside(c, func(ctx context.Context, p *platform, cmd *cobra.Command, args []string) error {
			s, err := p.gateway.SiteBySlug(ctx, args[0])
			if err != nil {
				return plain(err)
			}
			kind := gateway.Secret
			if public {
				kind = gateway.Public
			}
			key, k, err := p.gateway.CreateKey(ctx, s.ID, kind, name)
			if err != nil {
				return plain(err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s key %d of site %s, shown this once: %s\n", k.Kind, k.ID, s.Slug, key)
			return nil
		})}
	cmd.Flags().BoolVar(&public, "public", false, "for a page or an app")
	cmd.Flags().StringVar(&name, "name", "", "to tell keys apart")
	return cmd
}

func keyRevoke(c *config) *cobra.Command {
	return &cobra.Command{Use: "revoke SITE ID", Short: "Revoke a key; it is refused within a second", Args: cobra.ExactArgs(2),
		Long: "The id is the one that `talkable site show SITE` lists.",
		RunE: beside(c, func(ctx context.Context, p *platform, cmd *cobra.Command, args []string) error {
			s, err := p.gateway.SiteBySlug(ctx, args[0])
			if err != nil {
				return plain(err)
			}
			id, err := strconv.ParseInt(args[1], 10, 64)
			if err != nil {
				return fmt.Errorf("%q is no key id; `talkable site show %s` lists them", args[1], s.Slug)
			}
			if err := p.gateway.RevokeKey(ctx, s.ID, id); err != nil {
				return plain(err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "key %d of site %s is revoked\n", id, s.Slug)
			return nil
		})}
}

// plain turns a fault into the sentence that a person at a terminal needs.
func plain(err error) error {
	f, ok := fault.Of(err)
	if !ok {
		return err
	}
	lines := []string{f.Detail}
	for _, field := range f.Fields {
		lines = append(lines, "  "+strings.TrimPrefix(field.Pointer, "/")+": "+field.Detail)
	}
	return errors.New(strings.Join(lines, "\n"))
}
