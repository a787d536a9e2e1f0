package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"botberi/bench/wire"
)

const (
	timeout = 15 * time.Second
	mark    = "{{n}}"
)

// prepared is an operation whose request is written already, or, with a mark in it, has to be each time.
type prepared struct {
	operation
	request []byte
	answer  []byte
	fresh   bool
	same    *equivalent
}

func prepare(one operation) *prepared {
	return &prepared{operation: one, answer: []byte(one.Answer), fresh: strings.Contains(one.Body, mark), same: newEquivalent(one.Answer)}
}

func (l *load) bytes(body, accept, number string) []byte {
	more := ""
	if l.authorized {
		more = "Authorization: Bearer token-" + number + "\r\n"
	}
	if l.churn {
		more += "Connection: close\r\n"
	}
	return []byte(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nAccept: %s\r\n%sContent-Length: %d\r\n\r\n%s",
		l.target.RequestURI(), l.target.Host, accept, more, len(body), body))
}

// next is the operation whose turn it is, its request and the answer that it has to have.
func (l *load) next(own map[*prepared][]byte) (*prepared, []byte, []byte) {
	turn := l.turn.Add(1) - 1
	one := l.operations[turn%int64(len(l.operations))]
	number := strconv.FormatInt(l.first+turn, 10)
	if !one.fresh {
		request, made := own[one]
		if !made || l.authorized {
			request = l.bytes(one.Body, "application/json", number)
			own[one] = request
		}
		return one, request, one.answer
	}
	request := l.bytes(strings.ReplaceAll(one.Body, mark, number), "application/json", number)
	return one, request, []byte(strings.ReplaceAll(one.Answer, mark, number))
}

func (l *load) requests(t *tally) {
	var connection net.Conn
	var r *bufio.Reader
	var body bytes.Buffer
	own := map[*prepared][]byte{}
	defer func() {
		if connection != nil {
			connection.Close()
		}
	}()
	for time.Now().Before(l.deadline) {
		if connection == nil {
			var err error
			if connection, err = net.DialTimeout("tcp", l.target.Host, timeout); err != nil {
				connection = nil
				t.io++
				time.Sleep(20 * time.Millisecond)
				continue
			}
			r = bufio.NewReaderSize(connection, 64<<10)
		}
		one, request, answer := l.next(own)
		start := time.Now()
		connection.SetDeadline(start.Add(timeout))
		head, err := exchange(connection, r, request, &body)
		if err != nil {
			t.io++
			connection.Close()
			connection = nil
			continue
		}
		t.microseconds = append(t.microseconds, time.Since(start).Microseconds())
		t.bytes += int64(body.Len())
		l.judge(t, one, head, answer, body.Bytes())
		if head.Close || l.churn {
			connection.Close()
			connection = nil
		}
	}
}

func exchange(connection net.Conn, r *bufio.Reader, request []byte, body *bytes.Buffer) (*wire.Head, error) {
	if _, err := connection.Write(request); err != nil {
		return nil, err
	}
	head, err := wire.ReadHead(r)
	if err != nil {
		return nil, err
	}
	return head, head.ReadBody(r, body)
}

func (l *load) judge(t *tally, one *prepared, head *wire.Head, answer, got []byte) {
	switch {
	case head.Status == 200 && bytes.Equal(got, answer):
	case head.Status == 200 && !one.fresh && one.same.to(got):
		t.reordered++
	default:
		t.bad++
		if t.sample == "" {
			t.sample = fmt.Sprintf("%d %.300s", head.Status, got)
		}
	}
}
