// Package cost says what a job costs: the hours that devices and machines worked for it,
// and their prices.
package cost

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Price is that of an hour.
type Price struct {
	PerHour float64 `json:"per_hour"`
	// Currency is a text that is not converted; it may be empty.
	Currency string `json:"currency,omitempty"`
	// PerNode is set for the price of a machine, whatever its number of devices. Otherwise
	// it is that of a device, and so of a rank.
	PerNode bool `json:"per_node,omitempty"`
}

// String returns the price as ParsePrice reads it.
func (p Price) String() string {
	text := strconv.FormatFloat(p.PerHour, 'f', -1, 64) + p.Currency
	if p.PerNode {
		text += "/node"
	}
	return text
}

// Same reports whether amounts of two prices can be added.
func (p Price) Same(q Price) bool { return p.Currency == q.Currency }

var errPrice = errors.New("want a price above zero for an hour, such as 3.06, 3.06EUR or 3.06EUR/node, or DEVICE=PRICE,... such as p100=3.1EUR,k80=0.9EUR")

// most is more than any price or amount.
const most = 1e12

// ParseAmount reads a number above zero, which a currency may follow.
func ParseAmount(text string) (n float64, currency string, err error) {
	text = strings.TrimSpace(text)
	end := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	number := text
	if end >= 0 {
		number, currency = text[:end], strings.TrimSpace(text[end:])
	}
	n, err = strconv.ParseFloat(number, 64)
	if err != nil || !(n > 0) || n > most {
		return 0, "", errors.New("want an amount above zero, such as 5 or 5EUR")
	}
	letters := 0
	for _, r := range currency {
		if !unicode.IsLetter(r) && !unicode.Is(unicode.Sc, r) {
			return 0, "", errors.New("want letters or the sign of a currency after the number")
		}
		letters++
	}
	if letters > 8 {
		return 0, "", errors.New("the currency is longer than 8 letters")
	}
	return n, currency, nil
}

// ParsePrice reads an amount for an hour of a device, or of a machine if it ends in /node.
func ParsePrice(text string) (Price, error) {
	amount, perNode := strings.CutSuffix(strings.TrimSpace(text), "/node")
	n, currency, err := ParseAmount(amount)
	if err != nil {
		return Price{}, errPrice
	}
	return Price{PerHour: n, Currency: currency, PerNode: perNode}, nil
}

// Prices are those of devices, by their names or parts of them; that of any device is
// under "".
type Prices map[string]Price

// ParsePrices reads PRICE, or DEVICE=PRICE,... They have one currency.
func ParsePrices(text string) (Prices, error) {
	prices := Prices{}
	for part := range strings.SplitSeq(text, ",") {
		name, price, named := strings.Cut(part, "=")
		if !named {
			name, price = "", part
		}
		name = strings.TrimSpace(name)
		p, err := ParsePrice(price)
		_, twice := prices[name]
		if err != nil || named && name == "" || twice {
			return nil, errPrice
		}
		for _, other := range prices {
			if !p.Same(other) {
				return nil, errors.New("the prices have different currencies")
			}
		}
		prices[name] = p
	}
	return prices, nil
}

// Of returns the price of a device; nil if none is known.
func (p Prices) Of(device string) *Price {
	names := make([]string, 0, len(p))
	for name := range p {
		names = append(names, name)
	}
	name, ok := Longest(names, device)
	if !ok {
		return nil
	}
	price := p[name]
	return &price
}

// Longest returns the longest of the names that is a part of the device's name. A mixture such
// as p100+k80 has a name of its own, which is not that of one of its devices.
func Longest(names []string, device string) (longest string, ok bool) {
	mixture := strings.Contains(device, "+")
	for _, name := range slices.Sorted(slices.Values(names)) {
		if mixture && name != "" && !strings.Contains(name, "+") {
			continue
		}
		if (!ok || len(name) > len(longest)) && strings.Contains(strings.ToLower(device), strings.ToLower(name)) {
			longest, ok = name, true
		}
	}
	return longest, ok
}

// Money returns an amount for people.
func Money(amount float64, currency string) string {
	digits := 2
	if amount > 0 && amount < 0.1 {
		digits = min(1-int(math.Floor(math.Log10(amount))), 9)
	}
	return strings.TrimSpace(fmt.Sprintf("%.*f %s", digits, amount, currency))
}
