package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/spf13/cobra"

	"github.com/talkable/talkable/internal/blueprint"
	"github.com/talkable/talkable/internal/gateway"
	"github.com/talkable/talkable/internal/web"
)

func programmeCommand(c *config) *cobra.Command {
	cmd := &cobra.Command{Use: "programme", Aliases: []string{"program"}, Short: "Keep a site's programme as code: export, diff, plan and apply a file",
		Long: `A site's loyalty programme, its rewards and its referral campaigns as a YAML file, which is reviewed, kept under version control, and moved from a test site
to a live one. docs/programme.md describes the file.

The commands speak to a running platform: --server and TALKABLE_API_KEY, a secret key of the site. With --site they work straight on the database
instead, as other commands do at the server.`,
		Example: `  export TALKABLE_SERVER=https://refer.shop.example TALKABLE_API_KEY=tk_secret_…
  talkable programme export --out programme.yaml
  talkable programme plan programme.yaml
  talkable programme apply programme.yaml`}
	cmd.AddCommand(programmeExport(c), programmeDiff(c), programmePlan(c), programmeApply(c), programmeCheck(), programmeSchema())
	return cmd
}

// reach is how a command gets at a site's operations.
type reach struct {
	base string // where the platform is, for what a file says of itself
	ask  func(ctx context.Context, operation, method, path string, body, result any) error
}

// reaching makes a command one that works on the site that its flags name.
func reaching(c *config, cmd *cobra.Command, fn func(ctx context.Context, r reach, cmd *cobra.Command, args []string) error) *cobra.Command {
	var slug string
	cmd.Flags().StringVar(&slug, "site", "", "work on this site straight in the database, without a server or a key")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if slug != "" {
			return beside(c, func(ctx context.Context, p *platform, cmd *cobra.Command, args []string) error {
				r, err := p.reach(ctx, slug)
				if err != nil {
					return plain(err)
				}
				r.base = c.PublicURL
				return fn(ctx, r, cmd, args)
			})(cmd, args)
		}
		if c.APIKey == "" {
			return errors.New("say which site: TALKABLE_API_KEY, a secret key of it, with --server; or --site, straight on the database")
		}
		api := newClient(cmp.Or(strings.TrimRight(c.Server, "/"), c.PublicURL), c.APIKey)
		api.http.Timeout = time.Minute // more than the platform takes for any request
		return fn(cmd.Context(), reach{base: api.server, ask: func(ctx context.Context, _, method, path string, body, result any) error {
			return api.call(ctx, method, path, body, result)
		}}, cmd, args)
	}
	return cmd
}

// reach has a site's operations answer in this process, as whoever works at the server.
func (p *platform) reach(ctx context.Context, slug string) (reach, error) {
	s, err := p.gateway.SiteBySlug(ctx, slug)
	if err != nil {
		return reach{}, err
	}
	tenant, err := s.Tenant()
	if err != nil {
		return reach{}, err
	}
	edge := p.handler().(*gateway.Edge)
	return reach{ask: func(ctx context.Context, operation, method, path string, body, result any) error {
		var raw []byte
		if body != nil {
			raw = blueprint.JSON(body)
		}
		ctx = web.With(ctx, &web.Request{Site: tenant, Log: &p.log})
		reply, err := web.Call(ctx, edge.API, operation, nil, nil, raw)
		if err != nil {
			return err
		}
		return read(reply.Body, fmt.Sprintf("%s %s: %d %s", method, path, reply.Status, http.StatusText(reply.Status)), result)
	}}, nil
}

func programmeExport(c *config) *cobra.Command {
	var path string
	cmd := &cobra.Command{Use: "export", Short: "Write the site's programme as a file", Args: cobra.NoArgs,
		Long:    "Writes all that a file can say of the site: the same site always as the same bytes. What is archived is left out, and so are coupon codes, which are stock.",
		Example: "  talkable programme export > programme.yaml"}
	cmd = reaching(c, cmd, func(ctx context.Context, r reach, cmd *cobra.Command, _ []string) error {
		var got struct{ File exported }
		if err := r.ask(ctx, "exportProgramme", http.MethodGet, "/api/v2/programme", nil, &got); err != nil {
			return err
		}
		text := got.File.Write("yaml-language-server: $schema=" + r.base + "/programme.schema.json")
		if path == "" {
			_, err := cmd.OutOrStdout().Write(text)
			return err
		}
		return os.WriteFile(path, text, 0o644) //nolint:gosec // it holds no secret, and is made to be shared
	})
	cmd.Flags().StringVar(&path, "out", "", "the file to write (default: standard output)")
	return cmd
}

// exported is a file in an answer.
type exported struct{ *blueprint.File }

// UnmarshalJSON keeps the order of its members.
func (e *exported) UnmarshalJSON(raw []byte) error {
	root, err := blueprint.ParseJSON(raw)
	if err == nil {
		e.File, err = blueprint.FileOf(root)
	}
	return err
}

// source is a file that was read.
type source struct {
	name string
	*blueprint.File
}

// openProgramme reads a file; "-" is standard input.
func openProgramme(cmd *cobra.Command, name string) (source, error) {
	var text []byte
	var err error
	if name == "-" {
		name = "standard input"
		text, err = io.ReadAll(cmd.InOrStdin())
	} else {
		text, err = os.ReadFile(name)
	}
	if err != nil {
		return source{}, err
	}
	f, err := blueprint.Read(text)
	return source{name, f}, located(name, err)
}

// located says of each mistake in which file it is.
func located(name string, err error) error {
	found, ok := errors.AsType[blueprint.Findings](err)
	if !ok {
		return err
	}
	lines := make([]string, len(found))
	for i, f := range found {
		at := f.Position
		f.Position = blueprint.Position{}
		lines[i] = place(name, at) + f.Error()
	}
	return mistakes(lines)
}

// mistakes begin on a line of their own, for tools that read where they are.
func mistakes(lines []string) error {
	return errors.New("the file can't be applied:\n" + strings.Join(lines, "\n"))
}

// place is FILE:LINE:COLUMN: as compilers write it, so that editors go there.
func place(name string, at blueprint.Position) string {
	if at.Line == 0 {
		return name + ": "
	}
	return fmt.Sprintf("%s:%d:%d: ", name, at.Line, at.Column)
}

// refused says where in the file it is what the platform found fault with.
func (s source) refused(err error) error {
	r, ok := errors.AsType[*refusal](err)
	if !ok || len(r.fields) == 0 {
		return err
	}
	lines := make([]string, len(r.fields))
	for i, f := range r.fields {
		pointer, inFile := strings.CutPrefix(f.Pointer, "/file")
		if !inFile {
			lines[i] = strings.TrimPrefix(f.Pointer, "/") + ": " + f.Detail
			continue
		}
		lines[i] = place(s.name, s.At(pointer)) + strings.TrimPrefix(blueprint.Place(pointer)+": ", ": ") + f.Detail
	}
	return mistakes(lines)
}

func programmeCheck() *cobra.Command {
	return &cobra.Command{Use: "check FILE", Short: "Check a file without a platform", Args: cobra.ExactArgs(1),
		Long: "Checks that the file can be read, that its members are known and of the right kind, and that names stand for one thing. What only a site can say, plan says.",
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := openProgramme(cmd, args[0])
			if err != nil {
				return err
			}
			s, err := ownSchema()
			if err != nil {
				return err
			}
			if err := s.Check(f.File); err != nil {
				return located(f.name, err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), f.name+": all is as it should be")
			return err
		}}
}

func programmeSchema() *cobra.Command {
	return &cobra.Command{Use: "schema", Short: "Print the JSON schema of the file, for editors", Args: cobra.NoArgs,
		Long: "Prints what a file may hold, made of the API's operations. A running platform serves the same at /programme.schema.json.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := ownSchema()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(s.JSON())
			return err
		}}
}

// ownSchema is what a file may hold, by the operations of this program; nothing runs.
func ownSchema() (*blueprint.Schema, error) {
	all, err := operations()
	if err != nil {
		return nil, err
	}
	return gateway.Schema(gateway.Describe(func(api huma.API) {
		for _, register := range all {
			register(api)
		}
	}))
}
