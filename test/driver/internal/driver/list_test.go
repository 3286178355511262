// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestPage(t *testing.T) {
	for name, test := range map[string]struct {
		token string
		limit int32
		want  []string
		next  string
		code  codes.Code
	}{
		"All":          {"", 0, []string{"a", "b", "d"}, "", codes.OK},
		"JustAll":      {"", 3, []string{"a", "b", "d"}, "", codes.OK},
		"First":        {"", 2, []string{"a", "b"}, "after-b", codes.OK},
		"Last":         {"after-b", 2, []string{"d"}, "", codes.OK},
		"Deleted":      {"after-c", 0, []string{"d"}, "", codes.OK},
		"End":          {"after-d", 0, []string{}, "", codes.OK},
		"ForeignToken": {"b", 0, nil, "", codes.Aborted},
	} {
		t.Run(name, func(t *testing.T) {
			request := &csi.ListVolumesRequest{StartingToken: test.token, MaxEntries: test.limit}
			got, next, err := page([]string{"a", "b", "d"}, func(s string) string { return s }, request)
			if status.Code(err) != test.code || next != test.next {
				t.Errorf("next token %q and error %v", next, err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestCapacity(t *testing.T) {
	for name, test := range map[string]struct {
		required, limit, least int64
		want                   int64
		code                   codes.Code
	}{
		"Nothing":    {0, 0, 10, 10, codes.OK},
		"Required":   {20, 0, 10, 20, codes.OK},
		"NoShrink":   {5, 0, 10, 10, codes.OK},
		"JustInside": {5, 10, 10, 10, codes.OK},
		"LimitBelow": {5, 9, 10, 0, codes.OutOfRange},
		"Crossed":    {20, 15, 10, 0, codes.OutOfRange},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := capacity(&csi.CapacityRange{RequiredBytes: test.required, LimitBytes: test.limit}, test.least)
			if got != test.want || status.Code(err) != test.code {
				t.Errorf("got %d, %v", got, err)
			}
		})
	}
}
