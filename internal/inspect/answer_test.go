// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package inspect

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEncode(t *testing.T) {
	for name, test := range map[string]struct {
		answer Answer
		want   string
	}{
		"Whole": {
			Answer{Key: "k", Driver: "d", Version: "v", Capabilities: []string{"Node/A", "Node/B"}, Problem: "p"},
			`{"key":"k","driver":"d","version":"v","capabilities":["Node/A","Node/B"],"problem":"p"}`,
		},
		"Empty":         {Answer{}, `{"key":""}`},
		"NotEscapedFor": {Answer{Key: "k", Version: "<a&b>"}, `{"key":"k","version":"<a&b>"}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := test.answer.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}

// TestSizeOfAnswers adds byte by byte, in text that takes most when it is encoded: an
// answer is complete up to the last byte of the limit.
func TestSizeOfAnswers(t *testing.T) {
	worst := func(size int) string { return strings.Repeat(`"`, size) }
	all := statement{name: worst(maxName), version: worst(maxVersion), capabilities: capabilities{}}
	largest := 0
	for number := int32(1); number <= maxCapabilities && len(all.answer("").Capabilities) == len(all.capabilities); number++ {
		all.capabilities.add(controller, number, nil)
		for padding := range 32 {
			answer := all.answer(worst(MaxKey-32) + strings.Repeat("a", padding))
			encoded, err := answer.Encode()
			if err != nil {
				t.Fatal(err)
			}
			largest = max(largest, len(encoded))
			if complete := len(answer.Capabilities) == len(all.capabilities); complete != (answer.Problem == "") {
				t.Fatalf("%d of %d capabilities, and the problem is %q", len(answer.Capabilities), len(all.capabilities), answer.Problem)
			}
		}
	}
	if largest != MaxSize {
		t.Errorf("the largest answer has %d bytes, want %d", largest, MaxSize)
	}
	hopeless, err := Answer{Key: worst(MaxKey), Problem: sentence(worst(2 * maxProblem))}.Encode()
	if err != nil || len(hopeless) > MaxSize {
		t.Errorf("a problem takes %d bytes, %v", len(hopeless), err)
	}
}

// TestCapabilitiesAreBounded: in memory by number, and one more than that does not
// fit into an answer, however short it is.
func TestCapabilitiesAreBounded(t *testing.T) {
	many := capabilities{}
	for number := range int32(10 * maxCapabilities) {
		many.add(node, number, nil)
	}
	if len(many) != maxCapabilities+1 {
		t.Errorf("%d capabilities are kept, want %d", len(many), maxCapabilities+1)
	}
	answer := statement{name: "d", version: "v", capabilities: many}.answer("")
	want := Answer{Driver: "d", Version: "v", Problem: "the driver reports more capabilities than the 4096 bytes of an answer hold"}
	if diff := cmp.Diff(want, answer); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

func TestSentence(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"Short":          {"all is well", "all is well"},
		"Lines":          {" one\n\ttwo\r\n", "one two"},
		"Controls":       {"a\x00b\x1b[31mc\u202ed\u2028e", "ab[31mcd e"},
		"FullSize":       {strings.Repeat("a", maxProblem), strings.Repeat("a", maxProblem)},
		"TooLong":        {strings.Repeat("a", maxProblem+1), strings.Repeat("a", maxProblem-3) + "…"},
		"CutInsideRune":  {strings.Repeat("€", 100), strings.Repeat("€", 65) + "…"},
		"InvalidUnicode": {"a\xffb", "a\ufffdb"},
		"Nothing":        {"\x00", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, sentence(test.text)); diff != "" {
				t.Errorf("-want, +got:\n%s", diff)
			}
		})
	}
}
