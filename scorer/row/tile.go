package row

import "github.com/batchscore/batchscore/models/preprocess"

// tileColumns returns the columns of the tile that an answer is of, in pixels of the upright
// image.
func tileColumns[A any](of func(a *A) *preprocess.Tile) []column[A] {
	return []column[A]{
		integerColumn("tile_x", func(a *A) *int { return &of(a).X }),
		integerColumn("tile_y", func(a *A) *int { return &of(a).Y }),
		integerColumn("tile_width", func(a *A) *int { return &of(a).Width }),
		integerColumn("tile_height", func(a *A) *int { return &of(a).Height }),
	}
}
