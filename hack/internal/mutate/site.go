// Copyright The csi-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mutate

import (
	"go/ast"
	"slices"
	"strings"
)

// site is a function that changed copies can stand beside, so that one binary holds
// them all and is told which one to run.
type site struct {
	// start and end are the whole function, nameEnd is behind its name, body behind
	// the brace that opens it.
	start, nameEnd, body, end int
	// call is a statement that runs a copy and returns; %s is what its name ends in.
	call string
}

// siteOf is nil for a function that cannot call its copies: one that has no name for
// an argument, and those that the language calls.
func (f *finder) siteOf(d *ast.FuncDecl) *site {
	arguments, named := names(d.Type.Params)
	receiver, ownNamed := names(d.Recv)
	if !named || !ownNamed || d.Recv == nil && (d.Name.Name == "init" || d.Name.Name == "main") {
		return nil
	}
	call := d.Name.Name + "%s"
	if d.Recv != nil {
		call = receiver[0] + "." + call
	}
	if types, _ := names(d.Type.TypeParams); len(types) > 0 {
		call += "[" + strings.Join(types, ", ") + "]"
	}
	call += "(" + strings.Join(arguments, ", ") + ")"
	if d.Type.Results.NumFields() > 0 {
		call = "return " + call
	} else {
		call += "; return"
	}
	return &site{
		start: f.offset(d.Pos()), nameEnd: f.offset(d.Name.End()), body: f.offset(d.Body.Lbrace) + 1, end: f.offset(d.End()),
		call: call,
	}
}

// names are the names of a list of parameters, ready to be passed on; false means
// that one has none.
func names(list *ast.FieldList) ([]string, bool) {
	if list == nil {
		return nil, true
	}
	var all []string
	for _, field := range list.List {
		for _, name := range field.Names {
			text := name.Name
			if _, variadic := field.Type.(*ast.Ellipsis); variadic {
				text += "..."
			}
			all = append(all, text)
		}
		if len(field.Names) == 0 {
			return nil, false
		}
	}
	return all, !slices.Contains(all, "_")
}
