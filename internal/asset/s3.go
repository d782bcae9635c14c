package asset

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const patience = 20 * time.Second // for one call

// bucket is a place in an S3-compatible service.
type bucket struct {
	client       *minio.Client
	name, prefix string
	place        string
}

// newBucket reads s3://ID:SECRET@host[:port]/bucket[/prefix]?region=eu-central-1&tls=false.
func newBucket(u *url.URL) (*bucket, error) {
	secret, _ := u.User.Password()
	name, prefix, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
	if u.Host == "" || name == "" || u.User.Username() == "" || secret == "" {
		return nil, fmt.Errorf("the address of the assets must be s3://ID:SECRET@host/bucket, with ?region=… and ?tls=false where they are needed")
	}
	q := u.Query()
	for parameter := range q {
		if parameter != "region" && parameter != "tls" {
			return nil, fmt.Errorf("the address of the assets takes region and tls, not %s", parameter)
		}
	}
	client, err := minio.New(u.Host, &minio.Options{Creds: credentials.NewStaticV4(u.User.Username(), secret, ""),
		Secure: q.Get("tls") != "false", Region: q.Get("region"), MaxRetries: 3})
	if err != nil {
		return nil, fmt.Errorf("the address of the assets: %w", err)
	}
	if prefix != "" {
		prefix += "/"
	}
	return &bucket{client: client, name: name, prefix: prefix, place: "s3://" + u.Host + "/" + name + "/" + prefix}, nil
}

// Put sends content with its hash, which the service checks.
func (b *bucket) Put(ctx context.Context, key string, content []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := b.client.PutObject(ctx, b.name, b.prefix+key, bytes.NewReader(content), int64(len(content)),
		minio.PutObjectOptions{ContentType: "application/octet-stream", SendContentMd5: true, DisableMultipart: true})
	if err != nil {
		return fmt.Errorf("keep asset: %w", err)
	}
	return nil
}

// Get reads an object.
func (b *bucket) Get(ctx context.Context, key string) ([]byte, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	o, err := b.client.GetObject(ctx, b.name, b.prefix+key, minio.GetObjectOptions{})
	if err != nil {
		return nil, fmt.Errorf("read asset: %w", err)
	}
	content, err := io.ReadAll(io.LimitReader(o, MaxBytes+1))
	_ = o.Close() // it was only read
	if minio.ToErrorResponse(err).StatusCode == http.StatusNotFound {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("read asset: %w", err)
	}
	return content, nil
}

// Delete removes content.
func (b *bucket) Delete(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := b.client.RemoveObject(ctx, b.name, b.prefix+key, minio.RemoveObjectOptions{}); err != nil {
		return fmt.Errorf("forget asset: %w", err)
	}
	return nil
}

// Check asks whether the bucket is there.
func (b *bucket) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	there, err := b.client.BucketExists(ctx, b.name)
	if err == nil && !there {
		err = fmt.Errorf("there is no bucket %s", b.name)
	}
	return err
}

func (b *bucket) String() string { return b.place }
