package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/talkable/talkable/internal/gateway"
)

func siteCommand(c *config) *cobra.Command {
	cmd := &cobra.Command{Use: "site", Short: "Create, list, show and move sites", Long: "A site is one shop: people, campaigns, points and keys are all per site."}
	cmd.AddCommand(siteCreate(c), siteList(c), siteShow(c), siteExport(c), siteImport(c))
	return cmd
}

func siteCreate(c *config) *cobra.Command {
	var n gateway.NewSite
	cmd := &cobra.Command{
		Use:     "create SLUG",
		Short:   "Make a site and its first secret key",
		Example: "  talkable site create shop --name 'My Shop' --currency EUR --time-zone Europe/Vienna --url https://shop.example",
		Args:    cobra.ExactArgs(1),
		RunE: beside(c, func(ctx context.Context, p *platform, cmd *cobra.Command, args []string) error {
			n.Slug = args[0]
			s, err := p.gateway.CreateSite(ctx, n)
			if err != nil {
				return plain(err)
			}
			key, _, err := p.gateway.CreateKey(ctx, s.ID, gateway.Secret, "first key")
			if err != nil {
				return plain(err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "site %s (%d) is made\nsecret key, shown this once: %s\n", s.Slug, s.ID, key)
			return nil
		}),
	}
	cmd.Flags().StringVar(&n.Name, "name", "", "what people call the shop (default: the slug)")
	cmd.Flags().StringVar(&n.Currency, "currency", "USD", "ISO 4217 code of amounts that name no currency")
	cmd.Flags().StringVar(&n.TimeZone, "time-zone", "UTC", "IANA name; the site's days begin there")
	cmd.Flags().StringVar(&n.URL, "url", "", "the shop, https://…; links lead there unless a campaign says otherwise")
	cmd.Flags().StringVar(&n.EmailFrom, "from", "", "sender of the site's mail (default: TALKABLE_EMAIL_FROM)")
	_ = cmd.MarkFlagRequired("url") // the flag exists
	return cmd
}

func siteList(c *config) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the sites", Args: cobra.NoArgs,
		RunE: beside(c, func(ctx context.Context, p *platform, cmd *cobra.Command, _ []string) error {
			sites, err := p.gateway.Sites(ctx)
			if err != nil {
				return err
			}
			if len(sites) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "no sites yet; `talkable site create` makes one")
				return nil
			}
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(t, "ID\tSLUG\tNAME\tCURRENCY\tZONE\tURL")
			for _, s := range sites {
				fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\n", s.ID, s.Slug, s.Name, s.Currency, s.TimeZone, s.URL)
			}
			return t.Flush()
		})}
}

func siteShow(c *config) *cobra.Command {
	return &cobra.Command{Use: "show SLUG", Short: "Show a site and its keys as JSON", Args: cobra.ExactArgs(1),
		RunE: beside(c, func(ctx context.Context, p *platform, cmd *cobra.Command, args []string) error {
			s, err := p.gateway.SiteBySlug(ctx, args[0])
			if err != nil {
				return plain(err)
			}
			keys, err := p.gateway.Keys(ctx, s.ID)
			if err != nil {
				return err
			}
			out := json.NewEncoder(cmd.OutOrStdout())
			out.SetIndent("", "  ")
			return out.Encode(object{"site": s, "keys": keys})
		})}
}
