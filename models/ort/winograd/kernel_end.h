// Undefines the macros of a set of kernels for the next set.
#undef TARGET
#undef F
#undef VEC
#undef LANES
#undef ROWS
#undef EVERY_ROWS
#undef v_set
#undef v_load
#undef v_store
#undef v_add
#undef v_sub
#undef v_mul
#undef v_max
#undef v_fma
#undef v_load_part
#undef v_store_part
