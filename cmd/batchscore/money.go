package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer/cost"
	"github.com/batchscore/batchscore/shard"
)

// moneyFlags say what an hour costs, and how much may be spent.
type moneyFlags struct {
	price, budgetMoney string
}

func (f *moneyFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.price, "price", "", "say what the job costs, by the `PRICE` of an hour of each rank's device: 3.06, 3.06EUR, p100=3.1,k80=0.9,"+
		" or 3.06EUR/node for each machine")
}

func (f *moneyFlags) registerBudget(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.budgetMoney, "budget-money", "", "pause after about `AMOUNT` of money, by --price,"+
		" over all ranks of this command, with exit code 75; run again to continue")
}

// checkPrice returns what is wrong with the value of --price; empty is none.
func checkPrice(text string) error {
	if text == "" {
		return nil
	}
	if _, err := cost.ParsePrices(text); err != nil {
		return usagef("--price: %w", err)
	}
	return nil
}

// checkBudget returns what is wrong with the value of --budget-money; empty is none.
func checkBudget(text string) error {
	if text == "" {
		return nil
	}
	if _, _, err := cost.ParseAmount(text); err != nil {
		return usagef("--budget-money: %w", err)
	}
	return nil
}

// resolved returns the prices of devices, nil if none is known, and how much this rank may
// spend, 0 for any amount.
func (f *moneyFlags) resolved(world shard.World) (prices cost.Prices, share float64, err error) {
	if f.price == "" {
		if f.budgetMoney != "" {
			return nil, 0, usagef("--budget-money needs --price, which says what an hour costs")
		}
		return nil, 0, nil
	}
	if err := checkPrice(f.price); err != nil {
		return nil, 0, err
	}
	if prices, err = cost.ParsePrices(f.price); err != nil || f.budgetMoney == "" {
		return prices, 0, err
	}
	amount, currency, err := cost.ParseAmount(f.budgetMoney)
	if err != nil {
		return nil, 0, usagef("--budget-money: %w", err)
	}
	for _, p := range prices {
		if currency != "" && currency != p.Currency {
			return nil, 0, usagef("--budget-money and --price have different currencies")
		}
	}
	return prices, amount / float64(max(world.Size, 1)), nil
}

// priceOf returns Options.Price.
func priceOf(prices cost.Prices) func(device string) *cost.Price {
	if prices == nil {
		return nil
	}
	return prices.Of
}

// costText returns what a job cost, for people; empty if that is not known.
func costText(h *cost.Hours, c *cost.Cost, simulated bool) string {
	if c == nil || h == nil {
		return ""
	}
	text := cost.Money(c.Amount, c.Currency)
	if c.AtLeast {
		text = "at least " + text
	}
	if c.PerThousand > 0 {
		text += ", " + cost.Money(c.PerThousand, c.Currency) + " per 1,000 images"
	}
	return text + ", " + hoursText(h) + markOf(simulated)
}

// hoursText returns how long devices and machines worked.
func hoursText(h *cost.Hours) string {
	return "for " + fmt.Sprintf("%.3g", h.Device) + " hours of devices and " + fmt.Sprintf("%.3g", h.Node) + " of machines"
}
