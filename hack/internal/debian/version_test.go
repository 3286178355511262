// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package debian

import "testing"

func TestParseCandidate(t *testing.T) {
	cases := map[string]struct{ output, want string }{
		"Known":     {output: "prometheus:\n  Installed: 1.0\n  Candidate: 2.42.0+ds-5+deb12u1\n  Version table:\n", want: "2.42.0+ds-5+deb12u1"},
		"Pinned":    {output: "prometheus:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n"},
		"NotListed": {},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := parseCandidate([]byte(tc.output)); got != tc.want {
				t.Errorf("version %q, want %q", got, tc.want)
			}
		})
	}
}
