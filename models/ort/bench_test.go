package ort

import (
	"fmt"
	"sync"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// BenchmarkScore compares batch sizes and numbers of lanes. One operation is one Score.
func BenchmarkScore(b *testing.B) {
	m := tiny(b, graphtest.Options{Size: 128, Work: 4})
	for _, lanes := range []int{1, 2} {
		for _, images := range []int{1, 4, 16} {
			b.Run(fmt.Sprintf("lanes=%d/batch=%d", lanes, images), func(b *testing.B) {
				e := open(b, m, Options{Lanes: lanes})
				var wg sync.WaitGroup
				todo := make(chan struct{})
				for range lanes {
					batch := newBatch(b, e, images)
					wg.Go(func() {
						for range todo {
							if err := e.Score(b.Context(), batch, 0, images); err != nil {
								b.Error(err)
							}
						}
					})
				}
				b.ReportAllocs()
				for b.Loop() {
					todo <- struct{}{}
				}
				close(todo)
				wg.Wait()
				b.ReportMetric(float64(b.N*images)/b.Elapsed().Seconds(), "images/s")
			})
		}
	}
}
