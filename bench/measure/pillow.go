package measure

import (
	"bufio"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

//go:embed pillow.py
var pillowScript string

// A Pillow is Python's Pillow, with its plugins for HEIF and JPEG XL where they are installed, in
// a process of its own. It decodes, converts to RGB and resizes.
type Pillow struct {
	// Version names Pillow and its plugins, with their releases.
	Version string

	cmd     *exec.Cmd
	ask     io.WriteCloser
	answers *bufio.Reader
	used    time.Duration // processor time of all pictures
}

// StartPillow starts Pillow with a Python interpreter, such as "python3". The caller must Close it.
func StartPillow(python string) (*Pillow, error) {
	p := &Pillow{cmd: exec.Command(python, "-c", pillowScript)}
	p.cmd.Stderr = os.Stderr
	var err error
	if p.ask, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.answers = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if p.Version, err = p.answers.ReadString('\n'); err != nil {
		p.Close()
		return nil, fmt.Errorf("%s has no Pillow that works", python)
	}
	p.Version = strings.TrimSpace(p.Version)
	return p, nil
}

// Close ends the process.
func (p *Pillow) Close() {
	_ = p.ask.Close()
	_ = p.cmd.Wait() // it ends with its input
}

// decode decodes a picture to a width and a height.
func (p *Pillow) decode(data []byte, width, height int) error {
	head := binary.LittleEndian.AppendUint32(nil, uint32(len(data)))
	head = binary.LittleEndian.AppendUint32(head, uint32(width))
	head = binary.LittleEndian.AppendUint32(head, uint32(height))
	_, err := p.ask.Write(head)
	if err == nil {
		_, err = p.ask.Write(data)
	}
	var nanoseconds int64
	if err == nil {
		err = binary.Read(p.answers, binary.LittleEndian, &nanoseconds)
	}
	if err != nil {
		return fmt.Errorf("pillow ended: %w", err)
	}
	if nanoseconds < 0 {
		text, err := p.answers.ReadString('\n')
		return errors.Join(errors.New("pillow: "+strings.TrimSpace(text)), err)
	}
	p.used += time.Duration(nanoseconds)
	return nil
}
