package gitsource

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"github.com/cratefence/cratefence/internal/check"
	"github.com/cratefence/cratefence/internal/gitobj"
)

// The filters that every server which filters knows: forges allow no others.
const (
	noFiles = "blob:none"
	noTrees = "tree:0" // what is wanted by name comes all the same
)

// A fetchRequest is what a fetch asks for.
type fetchRequest struct {
	wants, haves []gitobj.ID
	depth        int                                  // commits of history; 0 is all
	filter       string                               // "" is none
	bases        gitobj.Bases                         // of the haves, which are then without history; nil where only commits are had
	keep         func(read *gitobj.Pack, pack []byte) // gets the pack and its bytes, which are not to be kept; nil for nobody
}

// encode leaves out what the server cannot do.
func (f fetchRequest) encode(can abilities) []byte {
	req := beginCommand(can, "fetch")
	line := func(s string) { req = gitobj.AppendPacket(req, s+"\n") }
	if f.bases != nil {
		line("thin-pack")
	}
	line("no-progress")
	line("ofs-delta")
	for _, id := range f.wants {
		line("want " + id.String())
	}
	for _, id := range f.haves {
		line("have " + id.String())
		if f.bases != nil {
			line("shallow " + id.String()) // else what came before it is left out, too
		}
	}
	if f.depth > 0 && can.shallow {
		line(fmt.Sprintf("deepen %d", f.depth))
	}
	if f.filter != "" && can.filter {
		line("filter " + f.filter)
	}
	line("done")
	return gitobj.AppendFlush(req)
}

func beginCommand(can abilities, command string) []byte {
	req := gitobj.AppendPacket(nil, "command="+command)
	if can.format {
		req = gitobj.AppendPacket(req, "object-format=sha1")
	}
	return gitobj.AppendDelim(req)
}

// fetch sends a request and reads the pack that answers it.
func (r *remote) fetch(ctx context.Context, client *http.Client, f fetchRequest) (pack *gitobj.Pack, err error) {
	err = r.post(ctx, client, f.encode(r.can), func(answer *gitobj.PacketReader) error {
		data, leave := takePack()
		defer leave()
		if err := readPack(answer, data); err != nil {
			return err
		}
		if pack, err = gitobj.ReadPack(data.Bytes(), r.source.limits.Pack, f.bases); err != nil {
			return formatError(err)
		}
		if f.keep != nil {
			f.keep(pack, data.Bytes())
		}
		return nil
	})
	return pack, err
}

// post sends a command and gives its answer to read.
func (r *remote) post(ctx context.Context, client *http.Client, command []byte, read func(*gitobj.PacketReader) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.base.JoinPath(packPath).String(), bytes.NewReader(command))
	if err != nil {
		return fmt.Errorf("%w: %w", check.ErrRepositoryURL, err)
	}
	req.Header.Set(protocolName, protocol)
	req.Header.Set("Content-Type", requestType)
	req.Header.Set("Accept", packType)
	resp, err := r.source.send(client, req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := checkAnswer(resp, packType); err != nil {
		return err
	}
	body := &watched{r: resp.Body}
	if err := read(gitobj.NewPacketReader(body)); err != nil {
		return body.explain(err)
	}
	return nil
}
