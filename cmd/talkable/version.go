package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/danielgtaylor/huma/v2"
	"github.com/spf13/cobra"

	"github.com/talkable/talkable/internal/gateway"
	"github.com/talkable/talkable/internal/web"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			revision := ""
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" && len(s.Value) >= 12 {
						revision = " " + s.Value[:12]
					}
				}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "talkable %s%s %s %s/%s\n", version, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}

// configCommand prints what is in force.
func configCommand(c *config) *cobra.Command {
	return &cobra.Command{
		Use: "config", Short: "Print the settings in force, secrets blanked", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			for _, s := range c.settings() {
				value := fmt.Sprint(s.value.Interface())
				if s.secret && value != "" {
					value = "(set, not shown)"
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%-34s %s\n", s.env, value)
			}
		},
	}
}

// openapiCommand prints the API's description without running anything; `make generate` keeps it in docs/.
func openapiCommand() *cobra.Command {
	return &cobra.Command{
		Use: "openapi", Short: "Print the API's description (OpenAPI 3.1)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := operations()
			if err != nil {
				return err
			}
			api := gateway.Describe(func(api huma.API) {
				for _, register := range all {
					register(api)
				}
			})
			text, err := web.Description(api)
			if err != nil {
				return err
			}
			var indented bytes.Buffer
			if err := json.Indent(&indented, text, "", "\t"); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), indented.String())
			return err
		},
	}
}
