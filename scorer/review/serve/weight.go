package serve

import "reflect"

// weight returns how many bytes a value takes, with all that it leads to. What is there twice
// counts twice.
func weight(v any) int64 {
	of := reflect.ValueOf(v)
	if !of.IsValid() {
		return 0
	}
	return int64(of.Type().Size()) + beyond(of)
}

// beyond returns the bytes that a value leads to.
func beyond(v reflect.Value) (n int64) {
	switch v.Kind() {
	case reflect.String:
		return int64(v.Len())
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return 0
		}
		return int64(v.Elem().Type().Size()) + beyond(v.Elem())
	case reflect.Slice:
		n = int64(v.Type().Elem().Size()) * int64(v.Cap())
		if plain(v.Type().Elem().Kind()) {
			return n
		}
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			n += beyond(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			n += beyond(v.Field(i))
		}
	case reflect.Map:
		for of := v.MapRange(); of.Next(); {
			n += int64(v.Type().Key().Size()+v.Type().Elem().Size()) + beyond(of.Key()) + beyond(of.Value())
		}
	}
	return n
}

// plain reports whether values of a kind lead to nothing.
func plain(k reflect.Kind) bool { return k >= reflect.Bool && k <= reflect.Complex128 }
