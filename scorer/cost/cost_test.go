package cost

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestParsePrices checks the spellings of prices, and that what they are printed as is read
// the same.
func TestParsePrices(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Price{
		"3.06": {PerHour: 3.06}, "3.06EUR": {PerHour: 3.06, Currency: "EUR"}, " 3.06 EUR ": {PerHour: 3.06, Currency: "EUR"},
		"0.9€": {PerHour: 0.9, Currency: "€"}, "12 USD/node": {PerHour: 12, Currency: "USD", PerNode: true}, ".5": {PerHour: 0.5},
	} {
		prices, err := ParsePrices(text)
		if err != nil || len(prices) != 1 || prices[""] != want {
			t.Errorf("ParsePrices(%q) = %v, %v, want %v", text, prices, err, want)
		}
		if again, err := ParsePrice(want.String()); err != nil || again != want {
			t.Errorf("ParsePrice(%q) = %v, %v, want %v", want, again, err, want)
		}
	}
	for _, text := range []string{
		"", "0", "-1", "x", "NaN", "Inf", "1e13", "1,2", "1 000", "1EUR/rank", "a=", "=1", "a=0", "1E UR", "1EUR;", "1\x1b[31m", "1EEEEEEEEE", "a=1,a=2",
		"a=1EUR,b=2USD", "1EUR,a=2USD", "9999999999999",
	} {
		if prices, err := ParsePrices(text); err == nil {
			t.Errorf("ParsePrices(%q) = %v, want an error", text, prices)
		}
	}
	prices, err := ParsePrices("p100=3.1EUR,k80=0.9EUR")
	if err != nil || prices.Of("cuda:0/Tesla P100-PCIE").PerHour != 3.1 || prices.Of("cpu") != nil || prices.Of("simulated:p100+k80") != nil {
		t.Errorf("ParsePrices() = %v, %v", prices, err)
	}
}

// at returns a time some minutes after a fixed one.
func at(minutes float64) time.Time {
	return time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC).Add(time.Duration(minutes * float64(time.Minute)))
}

// TestSum checks the hours and the cost of what workers did.
func TestSum(t *testing.T) {
	t.Parallel()
	rank, machine := &Price{PerHour: 3, Currency: "EUR"}, &Price{PerHour: 6, Currency: "EUR", PerNode: true}
	for _, test := range []struct {
		name   string
		work   []Work
		scored int
		hours  Hours
		cost   *Cost
	}{
		{
			name: "one rank", work: []Work{{Host: "a", From: at(0), To: at(20), Price: rank}}, scored: 500,
			hours: Hours{Device: 0.333333, Node: 0.333333}, cost: &Cost{Amount: 1, Currency: "EUR", PerThousand: 2},
		},
		{
			name: "two ranks of a machine by the device", scored: 1000,
			work:  []Work{{Host: "a", From: at(0), To: at(30), Price: rank}, {Host: "a", From: at(15), To: at(45), Price: rank}},
			hours: Hours{Device: 1, Node: 0.75}, cost: &Cost{Amount: 3, Currency: "EUR", PerThousand: 3},
		},
		{
			name: "two ranks of a machine, one of another, by the machine", scored: 1000,
			work: []Work{
				{Host: "a", From: at(0), To: at(30), Price: machine}, {Host: "a", From: at(15), To: at(45), Price: machine},
				{Host: "b", From: at(0), To: at(15), Price: machine},
			},
			hours: Hours{Device: 1.25, Node: 1}, cost: &Cost{Amount: 6, Currency: "EUR", PerThousand: 6},
		},
		{
			name: "a rank that was killed", scored: 1000,
			work:  []Work{{Host: "a", From: at(0), To: at(60), Price: rank}, {Host: "b", From: at(0), To: at(20), Price: rank, Guessed: true}},
			hours: Hours{Device: 1.333333, Node: 1.333333, AtLeast: true}, cost: &Cost{Amount: 4, Currency: "EUR", PerThousand: 4, AtLeast: true},
		},
		{
			name: "a rank without a price", scored: 1000,
			work:  []Work{{Host: "a", From: at(0), To: at(60), Price: rank}, {Host: "b", From: at(0), To: at(60)}},
			hours: Hours{Device: 2, Node: 2}, cost: &Cost{Amount: 3, Currency: "EUR", PerThousand: 3, AtLeast: true},
		},
		{
			name: "two currencies", scored: 1000, hours: Hours{Device: 2, Node: 2},
			work: []Work{{Host: "a", From: at(0), To: at(60), Price: rank}, {Host: "b", From: at(0), To: at(60), Price: &Price{PerHour: 3, Currency: "USD"}}},
		},
		{
			name: "two currencies, then the first again", scored: 1000, hours: Hours{Device: 4, Node: 4},
			work: []Work{
				{Host: "a", From: at(0), To: at(60), Price: rank}, {Host: "b", From: at(0), To: at(60), Price: &Price{PerHour: 3, Currency: "USD"}},
				{Host: "c", From: at(0), To: at(60), Price: rank}, {Host: "d", From: at(0), To: at(60), Price: rank},
			},
		},
		{
			name: "a night in which nothing was scored", work: []Work{{Host: "a", From: at(0), To: at(6), Price: rank}},
			hours: Hours{Device: 0.1, Node: 0.1}, cost: &Cost{Amount: 0.3, Currency: "EUR"},
		},
		{name: "no price", work: []Work{{Host: "a", From: at(0), To: at(60)}}, scored: 1, hours: Hours{Device: 1, Node: 1}},
		{
			name: "a clock that went back", work: []Work{{Host: "a", From: at(60), To: at(0), Price: rank}}, scored: 1,
			cost: &Cost{Currency: "EUR"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h, c := Sum(test.work, test.scored)
			if h == nil || *h != test.hours {
				t.Errorf("the hours are %+v, want %+v", h, test.hours)
			}
			if (c == nil) != (test.cost == nil) || c != nil && *c != *test.cost {
				t.Errorf("the cost is %+v, want %+v", c, test.cost)
			}
		})
	}
	if h, c := Sum(nil, 5); h != nil || c != nil {
		t.Errorf("Sum(nil) = %v, %v", h, c)
	}
}

// TestSumOfAny: machines work for no longer than their devices, the cost is what devices
// worked times the price, order does not matter, and nothing is negative or infinite.
func TestSumOfAny(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		price := &Price{PerHour: rapid.Float64Range(1e-6, 1e6).Draw(t, "price"), Currency: "X", PerNode: rapid.Bool().Draw(t, "per node")}
		work := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Work {
			from := rapid.Float64Range(0, 1e5).Draw(t, "from")
			return Work{
				Host: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "host"), From: at(from), To: at(from + rapid.Float64Range(0, 1e4).Draw(t, "took")),
				Price: price, Guessed: rapid.Bool().Draw(t, "guessed"),
			}
		}), 1, 20).Draw(t, "work")
		scored := rapid.IntRange(0, 1e9).Draw(t, "scored")
		h, c := Sum(work, scored)
		if h.Node > h.Device+1e-5 || h.Node < 0 {
			t.Fatalf("machines worked %v hours, and devices %v", h.Node, h.Device)
		}
		hours := h.Device
		if price.PerNode {
			hours = h.Node
		}
		if want := hours * price.PerHour; math.Abs(c.Amount-want) > 1e-4*want+1e-5*price.PerHour {
			t.Fatalf("the cost is %v, want %v", c.Amount, want)
		}
		if (c.PerThousand > 0) != (scored > 0 && c.PerThousand != 0) || math.IsInf(c.PerThousand, 0) || math.IsNaN(c.PerThousand) {
			t.Fatalf("a thousand images of %d cost %v", scored, c.PerThousand)
		}
		h2, c2 := Sum(rapid.Permutation(work).Draw(t, "order"), scored)
		if *h2 != *h || math.Abs(c2.Amount-c.Amount) > 1e-9*c.Amount {
			t.Fatalf("in another order: %+v %+v, want %+v %+v", h2, c2, h, c)
		}
		if sum := Add(c, c2, scored); sum.Amount < c.Amount || sum.AtLeast != c.AtLeast {
			t.Fatalf("twice %+v is %+v", c, sum)
		}
	})
}

// TestAdd checks what is added to a cost that is not known.
func TestAdd(t *testing.T) {
	t.Parallel()
	a := &Cost{Amount: 2, Currency: "EUR"}
	if got := Add(a, nil, 1000); *got != (Cost{Amount: 2, Currency: "EUR", PerThousand: 2, AtLeast: true}) {
		t.Errorf("with what is not known: %+v", got)
	}
	if got := Add(nil, a, 0); *got != (Cost{Amount: 2, Currency: "EUR", AtLeast: true}) {
		t.Errorf("with what is not known: %+v", got)
	}
	if Add(nil, nil, 1) != nil || Add(a, &Cost{Currency: "USD"}, 1) != nil || AddHours(nil, new(Hours)) != nil {
		t.Error("there is a sum of what is not known, or of two currencies")
	}
}

// TestMoney checks that small amounts are not shown as nothing.
func TestMoney(t *testing.T) {
	t.Parallel()
	for amount, want := range map[float64]string{
		0: "0.00 EUR", 1234.567: "1234.57 EUR", 0.1: "0.10 EUR", 0.0123: "0.012 EUR", 0.000099: "0.000099 EUR", 1e-15: "0.000000000 EUR",
	} {
		if got := Money(amount, "EUR"); got != want {
			t.Errorf("Money(%v) = %q, want %q", amount, got, want)
		}
	}
	if got := Money(2, ""); strings.TrimSpace(got) != got {
		t.Errorf("Money(2) = %q", got)
	}
}
