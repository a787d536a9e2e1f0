// Package wire reads HTTP/1.1 messages from a connection: first line, the headers that matter here, body. net/http would cost more
// than a fast gateway does.
package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
)

// Head is a message without its body. Line is only valid until the next read.
type Head struct {
	Method, Target string // of a request
	Status         int    // of a response
	Length         int    // -1: not given
	Chunked, Close bool
	Accept         string
	Encoding       string
	Upgrade, Key   string // of a WebSocket's handshake
	Protocol       string
	Authorized     bool // it has an Authorization header
}

var errMalformed = errors.New("this is not HTTP/1.1")

const maxBody = 256 << 20

// ReadHead reads up to the empty line.
func ReadHead(r *bufio.Reader) (*Head, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	head := &Head{Length: -1}
	words := bytes.SplitN(bytes.TrimRight(line, "\r\n"), []byte(" "), 3)
	if len(words) < 2 {
		return nil, errMalformed
	}
	if bytes.HasPrefix(words[0], []byte("HTTP/")) {
		if head.Status, err = strconv.Atoi(string(words[1])); err != nil {
			return nil, errMalformed
		}
	} else {
		head.Method, head.Target = string(words[0]), string(words[1])
	}
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return head, nil
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found {
			return nil, errMalformed
		}
		if err := head.header(name, bytes.TrimSpace(value)); err != nil {
			return nil, err
		}
	}
}

func (h *Head) header(name, value []byte) error {
	is := func(known string) bool { return bytes.EqualFold(name, []byte(known)) }
	switch {
	case is("content-length"):
		length, err := strconv.Atoi(string(value))
		if err != nil || length < 0 || length > maxBody {
			return errMalformed
		}
		h.Length = length
	case is("transfer-encoding"):
		h.Chunked = bytes.EqualFold(value, []byte("chunked"))
	case is("connection"):
		h.Close = bytes.EqualFold(value, []byte("close"))
	case is("content-encoding"):
		h.Encoding = string(value)
	case is("accept"):
		h.Accept = string(value)
	case is("authorization"):
		h.Authorized = len(value) > 0
	case is("upgrade"):
		h.Upgrade = string(bytes.ToLower(value))
	case is("sec-websocket-key"):
		h.Key = string(value)
	case is("sec-websocket-protocol"):
		h.Protocol = string(value)
	}
	return nil
}

// ReadBody reads a whole body into `into`, which is emptied first.
func (h *Head) ReadBody(r *bufio.Reader, into *bytes.Buffer) error {
	into.Reset()
	for !h.Chunked {
		if h.Length > 0 {
			_, err := io.CopyN(into, r, int64(h.Length))
			return err
		}
		return nil
	}
	for {
		ended, err := ReadChunk(r, into)
		if ended || err != nil {
			return err
		}
	}
}

// ReadChunk appends one chunk of a chunked body; true after the last.
func ReadChunk(r *bufio.Reader, into *bytes.Buffer) (bool, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return false, err
	}
	size, _, _ := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(";"))
	length, err := strconv.ParseInt(string(bytes.TrimSpace(size)), 16, 64)
	if err != nil || length < 0 || length > maxBody {
		return false, errMalformed
	}
	if _, err := io.CopyN(into, r, length); err != nil {
		return false, err
	}
	for { // the line's end after a chunk; after the last, trailers up to an empty line
		line, err := r.ReadSlice('\n')
		if err != nil {
			return false, err
		}
		if length > 0 || len(bytes.TrimRight(line, "\r\n")) == 0 {
			return length == 0, nil
		}
	}
}
