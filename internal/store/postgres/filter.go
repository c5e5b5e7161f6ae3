package postgres

import (
	"fmt"
	"strings"

	"github.com/cratefence/cratefence/internal/store"
)

// A filter collects the conditions of a list, those that were asked for. An index
// serves a condition that stands there, and none that may be switched off by its
// argument.
type filter struct {
	where []string
	args  []any
}

// is asks that a column has a value; "" asks for nothing.
func (f *filter) is(column, value string) {
	if value != "" {
		f.where = append(f.where, fmt.Sprintf("%s = $%d", column, f.arg(store.Clean(value))))
	}
}

// crate asks for a crate by any case of its name.
func (f *filter) crate(column, name string) { f.is(column, store.IndexKey(store.Clean(name))) }

// before asks for rows older than a row; 0 asks for nothing.
func (f *filter) before(column string, id store.ID) {
	if id != 0 {
		f.where = append(f.where, fmt.Sprintf("%s < $%d", column, f.arg(id)))
	}
}

// sql ends a query: the conditions, newest first by the column, at most limit.
func (f *filter) sql(newest string, limit int) (string, []any) {
	where := "true"
	if len(f.where) > 0 {
		where = strings.Join(f.where, " AND ")
	}
	n := f.arg(store.Page(limit))
	return fmt.Sprintf(" WHERE %s ORDER BY %s DESC LIMIT $%d", where, newest, n), f.args
}

// arg adds an argument and returns its number.
func (f *filter) arg(value any) int {
	f.args = append(f.args, value)
	return len(f.args)
}
