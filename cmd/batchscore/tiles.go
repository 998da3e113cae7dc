package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/joint"
	"github.com/batchscore/batchscore/models/preprocess"
)

// tileFlags say that images are scored in tiles. --overlap is a flag of detectors as well; with tiles
// it says what they share.
type tileFlags struct {
	side    int
	rule    string
	overlap float32
}

func (f *tileFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.IntVar(&f.side, "tile", 0, "score square tiles of `SIZE` pixels of each image, which the model sees as images, and make one answer of theirs;"+
		" --overlap says how much of its side a tile shares with the next")
	fs.StringVar(&f.rule, "tile-rule", string(preprocess.TileMean), "with --tile, answer with `RULE`: mean or max of each number over all tiles,"+
		" of classes their probabilities, or top, the answer of the tile whose best class is surest, with the tile's place; boxes are joined without a rule")
	chooseOne(cmd, "tile-rule", models.TileRules())
}

// check returns what is wrong with the flags by themselves.
func (f *tileFlags) check(cmd *cobra.Command, auto bool) error {
	set := cmd.Flags().Changed
	f.overlap = 0
	switch {
	case !set("tile") && set("tile-rule"):
		return usagef("--tile-rule needs --tile SIZE")
	case !set("tile"):
		return nil
	case f.side < 1:
		return invalid("tile", f.side, "a number of pixels above zero")
	case auto:
		return usagef("--tile and --batch auto exclude each other: give a number of tiles")
	}
	if s := cmd.Flags().Lookup("sessions"); s != nil && s.Value.String() == "auto" {
		return usagef("--tile and --sessions auto exclude each other: tiles are scored by the goroutines that decode, --decoders")
	}
	if set("overlap") {
		v, err := cmd.Flags().GetFloat32("overlap")
		if err != nil {
			return err
		}
		if !(v >= 0 && v <= preprocess.MaxTileOverlap) {
			return invalid("overlap", v, fmt.Sprintf("with --tile, a number from 0 to %v", preprocess.MaxTileOverlap))
		}
		f.overlap = v
	}
	return oneOf("tile-rule", f.rule, models.TileRules())
}

// apply makes the contract of a model that of a job in tiles.
func (f *tileFlags) apply(c *models.Contract) error {
	if f.side == 0 {
		return nil
	}
	s := c.Preprocess
	s.Tile, s.TileOverlap, s.TileRule = f.side, f.overlap, preprocess.TileRule(f.rule)
	if err := joint.Tileable(c, s); err != nil {
		return usage(fmt.Errorf("--tile %d: %w", f.side, err))
	}
	c.Preprocess = s
	c.Settings.TileBox = s.TileRule == preprocess.TileTop
	return nil
}
