// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package mutate measures what tests notice: it changes one thing of the code at
// a time and runs the tests. A change that they let pass is a survivor, which
// means that an assertion is missing, that the code is not needed, or that the
// change makes no difference and is justified in a file.
//
// What takes long is to build tests, not to run them. So one binary holds a changed
// copy of its function for each mutant, and the environment says which one is called.
// Constants and variables of a package have no copies: these need a binary each.
package mutate

import (
	"fmt"
	"slices"
	"strings"
)

// Mutant is one change of one source file.
type Mutant struct {
	// File is a path with slashes, below the root of the working tree.
	File string
	// Line is for people: it is no part of the key.
	Line int
	// Function is where the change is made: a function, Type.Method, or the first
	// name of a declaration outside of functions.
	Function string
	// Change is what is changed, in words and without a line number.
	Change string

	edit edit
	// site is the function to make a changed copy of; nil where only a binary of the
	// mutant's own can hold the change.
	site *site
}

// edit replaces the bytes from start to end.
type edit struct {
	start, end int
	text       string
}

// Key names a mutant by all that stays when lines move.
func (m Mutant) Key() string { return m.File + ": " + m.Function + ": " + m.Change }

// String is the key with a line number.
func (m Mutant) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", m.File, m.Line, m.Function, m.Change)
}

// Apply returns a changed copy of the source that the mutant was found in.
func (m Mutant) Apply(source []byte) []byte {
	return slices.Concat(source[:m.edit.start], []byte(m.edit.text), source[m.edit.end:])
}

// maxQuote is how many bytes of code a Change quotes at most, about.
const maxQuote = 90

// quote makes code fit for one line.
func quote(code string) string {
	code = strings.Join(strings.Fields(code), " ")
	if len(code) <= maxQuote {
		return code
	}
	return strings.ToValidUTF8(code[:maxQuote], "") + "…"
}
