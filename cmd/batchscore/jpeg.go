package main

import (
	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models/preprocess/jpeg"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
)

// jpegKind returns the kind of JPEG decoder in use, without its version, as job
// records name it.
func jpegKind() string {
	if _, err := jpeg.Backend(); err != nil {
		return "go"
	}
	return "libjpeg-turbo"
}

// jpegName returns the name and version of the JPEG decoder in use.
func jpegName() string {
	if name, err := jpeg.Backend(); err == nil {
		return name
	}
	return "Go image/jpeg"
}

// logDecoder logs which JPEG decoder is used, with a warning if it is the slow
// one, and returns its name.
func logDecoder(log zerolog.Logger) string {
	name, err := jpeg.Backend()
	if err != nil {
		event.JPEGSlow.On(log).Err(err).Msg("JPEG is decoded by Go, several times slower than by libjpeg-turbo")
		return "Go image/jpeg"
	}
	event.JPEGDecoder.On(log).Str("decoder", name).Msg("JPEG decoder")
	return name
}
