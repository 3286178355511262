// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"errors"
	"testing"
)

type outcome struct {
	err  error
	node string // in the HeldError
}

type fencingCase struct {
	prepare func(*testing.T, *Pool) string
	do      func(p *Pool, id string) error
	want    outcome
	// grant and marker are those of the volume afterwards.
	grant  *Grant
	marker *StageMarker
}

// TestFencing walks through who may have a volume when.
func TestFencing(t *testing.T) {
	for name, tc := range fencingCases() {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, memoryDir(t))
			id := tc.prepare(t, p)
			err := tc.do(p, id)
			got, held := outcome{err: tc.want.err}, new(HeldError)
			if errors.As(err, &held) {
				got.node = held.Node
			}
			if !errors.Is(err, tc.want.err) || got != tc.want {
				t.Errorf("got %v, want %v by %q", err, tc.want.err, tc.want.node)
			}
			if err := expect(p, id, tc.grant, tc.marker, MinCapacity); err != nil {
				t.Error(err)
			}
		})
	}
}

// replaced is prepare, and then a new machine under the name of node-a.
func replaced(prepare func(*testing.T, *Pool) string) func(*testing.T, *Pool) string {
	return func(t *testing.T, p *Pool) string {
		id := prepare(t, p)
		if err := p.RegisterNode("node-a", second); err != nil {
			t.Fatal(err)
		}
		return id
	}
}

func fencingCases() map[string]fencingCase {
	return map[string]fencingCase{
		"UnknownNode": {prepare: existing, want: outcome{err: ErrNodeUnknown},
			do: func(p *Pool, id string) error { _, err := p.Grant(id, "node-x", false); return err }},
		"GrantedTwice": {prepare: granted, grant: &Grant{Node: "node-a", Instance: first},
			do: func(p *Pool, id string) error { _, err := p.Grant(id, "node-a", false); return err }},
		"GrantedReadOnly": {prepare: granted, grant: &Grant{Node: "node-a", Instance: first}, want: outcome{err: ErrConflict},
			do: func(p *Pool, id string) error { _, err := p.Grant(id, "node-a", true); return err }},
		"GrantedElsewhere": {prepare: granted, grant: &Grant{Node: "node-a", Instance: first}, want: outcome{ErrGranted, "node-a"},
			do: func(p *Pool, id string) error { _, err := p.Grant(id, "node-b", false); return err }},
		"MarkerOutlivesGrant": {prepare: staged, marker: &StageMarker{"node-a", first}, want: outcome{ErrStaged, "node-a"},
			do: func(p *Pool, id string) error {
				if err := p.Revoke(id, "node-a"); err != nil {
					return err
				}
				_, err := p.Grant(id, "node-b", false)
				return err
			}},
		"SameNodeAgain": {prepare: staged, grant: &Grant{"node-a", first, true}, marker: &StageMarker{"node-a", first},
			do: func(p *Pool, id string) error {
				if err := p.Revoke(id, ""); err != nil {
					return err
				}
				_, err := p.Grant(id, "node-a", true)
				return err
			}},
		"CleanMove": {prepare: staged, grant: &Grant{Node: "node-b", Instance: first},
			do: func(p *Pool, id string) error {
				if err := errors.Join(p.Unstage(id, "node-a", first), p.Revoke(id, "node-a")); err != nil {
					return err
				}
				_, err := p.Grant(id, "node-b", false)
				return err
			}},
		"RevokeOther": {prepare: granted, grant: &Grant{Node: "node-a", Instance: first},
			do: func(p *Pool, id string) error { return p.Revoke(id, "node-b") }},
		"UnstageOther": {prepare: staged, grant: &Grant{Node: "node-a", Instance: first}, marker: &StageMarker{"node-a", first},
			do: func(p *Pool, id string) error { return p.Unstage(id, "node-b", first) }},
		"StageUngranted": {prepare: existing, want: outcome{err: ErrNotGranted},
			do: func(p *Pool, id string) error { _, err := p.Stage(id, "node-a", first); return err }},
		"StageElsewhere": {prepare: granted, grant: &Grant{Node: "node-a", Instance: first}, want: outcome{err: ErrNotGranted},
			do: func(p *Pool, id string) error { _, err := p.Stage(id, "node-b", first); return err }},
		"StagedTwice": {prepare: staged, grant: &Grant{Node: "node-a", Instance: first}, marker: &StageMarker{"node-a", first},
			do: func(p *Pool, id string) error { _, err := p.Stage(id, "node-a", first); return err }},
		"DeleteGranted": {prepare: granted, grant: &Grant{Node: "node-a", Instance: first}, want: outcome{ErrInUse, "node-a"},
			do: func(p *Pool, id string) error { return p.Delete(id) }},
		"GrantRenewed": {prepare: replaced(granted), grant: &Grant{"node-a", second, true},
			do: func(p *Pool, id string) error { _, err := p.Grant(id, "node-a", true); return err }},
		"GrantOfReplacedNode": {prepare: replaced(granted), grant: &Grant{Node: "node-a", Instance: first}, want: outcome{ErrGranted, "node-a"},
			do: func(p *Pool, id string) error { _, err := p.Grant(id, "node-b", false); return err }},
		"GrantAfterReplacement": {prepare: replaced(staged), want: outcome{ErrStaged, "node-a"},
			grant: &Grant{Node: "node-a", Instance: first}, marker: &StageMarker{"node-a", first},
			do: func(p *Pool, id string) error { _, err := p.Grant(id, "node-a", false); return err }},
		"StageAfterReplacement": {prepare: replaced(granted), grant: &Grant{Node: "node-a", Instance: first}, want: outcome{err: ErrNotGranted},
			do: func(p *Pool, id string) error { _, err := p.Stage(id, "node-a", second); return err }},
		"StageBesideFormerInstance": {prepare: replaced(staged), want: outcome{ErrStaged, "node-a"},
			grant: &Grant{Node: "node-a", Instance: first}, marker: &StageMarker{"node-a", first},
			do: func(p *Pool, id string) error { _, err := p.Stage(id, "node-a", second); return err }},
		"UnstageFormerInstance": {prepare: replaced(staged), want: outcome{ErrStaged, "node-a"},
			grant: &Grant{Node: "node-a", Instance: first}, marker: &StageMarker{"node-a", first},
			do: func(p *Pool, id string) error { return p.Unstage(id, "node-a", second) }},
		"FormerInstanceUnstages": {prepare: replaced(staged), grant: &Grant{Node: "node-a", Instance: second},
			do: func(p *Pool, id string) error {
				if err := p.Unstage(id, "node-a", first); err != nil {
					return err
				}
				_, err := p.Grant(id, "node-a", false)
				return err
			}},
		"FormattedUnstaged": {prepare: granted, grant: &Grant{Node: "node-a", Instance: first}, want: outcome{err: ErrNotStaged},
			do: func(p *Pool, id string) error { _, err := p.MarkFormatted(id, "node-a", first); return err }},
		"FormattedByOther": {prepare: staged, want: outcome{ErrStaged, "node-a"},
			grant: &Grant{Node: "node-a", Instance: first}, marker: &StageMarker{"node-a", first},
			do: func(p *Pool, id string) error { _, err := p.MarkFormatted(id, "node-a", second); return err }},
		"DeleteStaged": {prepare: staged, marker: &StageMarker{"node-a", first}, want: outcome{ErrInUse, "node-a"},
			do: func(p *Pool, id string) error {
				if err := p.Revoke(id, ""); err != nil {
					return err
				}
				return p.Delete(id)
			}},
	}
}
