// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package progress

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestStep(t *testing.T) {
	broken := errors.New("broken")
	cases := map[string]struct {
		err  error
		want string
	}{
		"Done":   {want: `^building …\nbuilding: done in \d`},
		"Failed": {err: broken, want: `^building …\nbuilding: failed after \d`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := New(&out, time.Hour).Step("building", func() error { return tc.err }); !errors.Is(err, tc.err) {
				t.Errorf("error %v, want %v", err, tc.err)
			}
			if !regexp.MustCompile(tc.want).MatchString(out.String()) {
				t.Errorf("it says %q, want %s", out.String(), tc.want)
			}
		})
	}
}

func TestALongStepSaysSo(t *testing.T) {
	var out bytes.Buffer
	asked := make(chan struct{}, 1)
	note := func() string {
		select {
		case asked <- struct{}{}:
		default:
		}
		return "(7 packages)"
	}
	err := New(&out, time.Millisecond).StepWith("building", note, func() error { <-asked; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "(7 packages)\n") {
		t.Errorf("it says %q", out.String())
	}
}
