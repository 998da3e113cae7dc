package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/bench/compare"
	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/scorer/cost"
)

// prices is the value of --price of the bench commands: the price of any device for an
// hour, or those of some, by their names or parts of them. The name of any is "".
type prices map[string]float64

func (p *prices) Type() string { return "PRICE" }

func (p *prices) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(*p)) {
		text := strconv.FormatFloat((*p)[name], 'g', -1, 64)
		if name != "" {
			text = name + "=" + text
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ",")
}

// Set adds prices: PRICE, or DEVICE=PRICE,...
func (p *prices) Set(text string) error {
	if *p == nil {
		*p = prices{}
	}
	for part := range strings.SplitSeq(text, ",") {
		name, price, named := strings.Cut(part, "=")
		if !named {
			name, price = "", part
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(price), 64)
		if err != nil || v < 0 || !finite(v) || named && (name == "" || v == 0) {
			return fmt.Errorf("want a price, or DEVICE=PRICE,... with prices above zero, such as p100=3.1,k80=0.9")
		}
		if was, given := (*p)[strings.TrimSpace(name)]; given && was != v {
			return twiceError{strconv.FormatFloat(was, 'g', -1, 64), strconv.FormatFloat(v, 'g', -1, 64)}
		}
		if v > 0 { // 0 is as good as no price
			(*p)[strings.TrimSpace(name)] = v
		}
	}
	return nil
}

// of returns the price of a device, 0 if none is known. The longest name that is a part
// of the device's name counts. A mixture such as p100+k80 has a price of its own, which
// is not that of one of its devices.
func (p prices) of(device string) float64 {
	name, ok := cost.Longest(slices.Collect(maps.Keys(p)), device)
	if !ok {
		return 0
	}
	return p[name]
}

// priced adds what a million images cost to a sample with a rate, if the price of its
// device for an hour is known.
func (p prices) priced(s *result.Sample) {
	devices, device := 1.0, ""
	for _, k := range s.Keys {
		if n, err := strconv.ParseFloat(k.Value, 64); k.Name == "ranks" && err == nil {
			devices = n
		}
		if k.Name == "device" {
			device = k.Value
		}
	}
	price := p.of(device) * devices
	for i, v := range s.Values {
		if v.Unit == compare.Rate && price > 0 {
			s.Values = slices.Insert(s.Values, i+1, result.Value{Value: 1e6 / v.Value / 3600 * price, Unit: unitPrice})
			return
		}
	}
}

// priceOfMedian makes the price of a row that of its median rate.
func priceOfMedian(r *result.Row) {
	price, ok := r.Summary[unitPrice]
	rate := r.Summary[compare.Rate]
	if n := r.N(unitPrice); !ok || n == 0 || !(rate.Center > 0) {
		return
	}
	perHour := r.Values(unitPrice)[0] * r.Values(compare.Rate)[0]
	price.Center = perHour / rate.Center
	if rate.Lo > 0 { // otherwise there are too few samples for an interval
		price.Lo, price.Hi = perHour/rate.Hi, perHour/rate.Lo
	}
	r.Summary[unitPrice] = price
}
