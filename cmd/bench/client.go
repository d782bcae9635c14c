package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// conn is one kept connection to a server. It shares two processors with what it measures, so it does no more than HTTP/1.1 asks.
type conn struct {
	net.Conn
	in  *bufio.Reader
	out []byte
	got response
}

// response is an answer; its parts are valid until the next.
type response struct {
	status   int
	location []byte
	body     []byte
}

func dial(ctx context.Context, address string) (*conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, in: bufio.NewReaderSize(c, 16<<10)}, nil
}

const patience = 30 * time.Second // for an answer

// roundTrip sends a request and reads its answer.
func (c *conn) roundTrip(request []byte) (*response, error) {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err := c.Write(request); err != nil {
		return nil, err
	}
	return &c.got, c.got.read(c.in)
}

var errAnswer = errors.New("not an HTTP/1.1 answer")

func (r *response) read(in *bufio.Reader) error {
	r.location, r.body = r.location[:0], r.body[:0]
	line, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return fmt.Errorf("%w: %q", errAnswer, line)
	}
	if r.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return fmt.Errorf("%w: %q", errAnswer, line)
	}
	length, chunked := 0, false
	for {
		if line, err = in.ReadSlice('\n'); err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch { // the server under test and our own write canonical names
		case string(name) == "Content-Length":
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
				return fmt.Errorf("%w: length %q", errAnswer, value)
			}
		case string(name) == "Transfer-Encoding":
			chunked = true
		case string(name) == "Location":
			r.location = append(r.location, value...)
		}
	}
	if chunked {
		return r.chunks(in)
	}
	return r.take(in, length)
}

func (r *response) take(in *bufio.Reader, n int) error {
	at := len(r.body)
	r.body = append(r.body, make([]byte, n)...)
	_, err := io.ReadFull(in, r.body[at:])
	return err
}

func (r *response) chunks(in *bufio.Reader) error {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 24)
		if err != nil {
			return fmt.Errorf("%w: chunk %q", errAnswer, line)
		}
		if err := r.take(in, int(n)); err != nil {
			return err
		}
		if _, err := in.ReadSlice('\n'); err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
	}
}

// unexpected describes an answer that ends the run.
func (r *response) unexpected(what string) error {
	return fmt.Errorf("%s was answered with %d: %.300s%.300s", what, r.status, r.location, r.body)
}
