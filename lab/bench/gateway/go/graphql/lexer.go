package graphql

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

type kind int

const (
	end kind = iota
	punctuator
	name
	integer
	float
	text
)

type token struct {
	kind  kind
	value string
}

// next reads one token; commas, white space and comments are skipped.
func (p *parser) next() {
	for p.at < len(p.source) {
		c := p.source[p.at]
		if c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',' {
			p.at++
		} else if c == '#' {
			for p.at < len(p.source) && p.source[p.at] != '\n' {
				p.at++
			}
		} else if strings.HasPrefix(p.source[p.at:], "\ufeff") {
			p.at += len("\ufeff")
		} else {
			break
		}
	}
	if p.at >= len(p.source) {
		p.token = token{end, "the end"}
		return
	}
	start, c := p.at, p.source[p.at]
	switch {
	case isName(c):
		for p.at < len(p.source) && (isName(p.source[p.at]) || isDigit(p.source[p.at])) {
			p.at++
		}
		p.token = token{name, p.source[start:p.at]}
	case c == '-' || isDigit(c):
		p.number()
	case c == '"':
		p.text()
	case strings.HasPrefix(p.source[p.at:], "..."):
		p.at += 3
		p.token = token{punctuator, "..."}
	case strings.IndexByte("!$&()[]{}:=@|", c) >= 0:
		p.at++
		p.token = token{punctuator, p.source[start:p.at]}
	default:
		p.fail("unexpected character %q", c)
	}
}

func (p *parser) number() {
	start, found := p.at, integer
	p.at++
	for p.at < len(p.source) && strings.IndexByte("0123456789.eE+-", p.source[p.at]) >= 0 {
		if !isDigit(p.source[p.at]) {
			found = float
		}
		p.at++
	}
	p.token = token{found, p.source[start:p.at]}
}

func (p *parser) text() {
	if strings.HasPrefix(p.source[p.at:], `"""`) {
		p.blockText()
		return
	}
	var out strings.Builder
	for p.at++; ; p.at++ {
		if p.at >= len(p.source) || p.source[p.at] == '\n' {
			p.fail("a string that does not end")
		}
		c := p.source[p.at]
		if c == '"' {
			p.at++
			break
		}
		if c != '\\' {
			out.WriteByte(c)
			continue
		}
		p.at++
		if p.at >= len(p.source) {
			p.fail("a string that does not end")
		}
		p.escape(&out)
	}
	p.token = token{text, out.String()}
}

func (p *parser) escape(out *strings.Builder) {
	simple := map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}
	c := p.source[p.at]
	if plain, ok := simple[c]; ok {
		out.WriteByte(plain)
		return
	}
	if c != 'u' || p.at+4 >= len(p.source) {
		p.fail("a wrong escape in a string")
	}
	code, err := strconv.ParseUint(p.source[p.at+1:p.at+5], 16, 32)
	if err != nil {
		p.fail("a wrong escape in a string")
	}
	p.at += 4
	var encoded [4]byte
	out.Write(encoded[:utf8.EncodeRune(encoded[:], rune(code))])
}

func (p *parser) blockText() {
	p.at += 3
	stop := strings.Index(p.source[p.at:], `"""`)
	if stop < 0 {
		p.fail("a block string that does not end")
	}
	p.token = token{text, strings.TrimSpace(p.source[p.at : p.at+stop])}
	p.at += stop + 3
}

func (p *parser) fail(format string, values ...any) {
	panic(syntaxError(fmt.Sprintf(format, values...)))
}

func isName(c byte) bool  { return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
