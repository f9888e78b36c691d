"""load2, store2, store1 for trials: what gpulabs.intrinsics would gain if one of them won."""
from numba import config
if config.ENABLE_CUDASIM:
    from gpulabs.intrinsics.simulated import load1 as _load1
    def _flat(array): return getattr(array, "_ary", array).reshape(-1)
    def load2(array, index):
        if index % 2: raise IndexError("load2: odd index")
        return _load1(array, index), _load1(array, index + 1)
    def store2(array, index, a, b):
        if index % 2 or not 0 <= index < _flat(array).size - 1: raise IndexError("store2")
        _flat(array)[index:index + 2] = a, b
    def store1(array, index, a):
        if not 0 <= index < _flat(array).size: raise IndexError("store1")
        _flat(array)[index] = a
else:
    from llvmlite import ir
    from numba.cuda import types
    from numba.cuda.extending import intrinsic
    from gpulabs.intrinsics.device import FLOAT, INT32, _address, _align_shared
    TWO = ir.VectorType(FLOAT, 2)
    def _two(context, builder, kinds, values):
        _align_shared(builder)
        return builder.bitcast(_address(context, builder, kinds, values), TWO.as_pointer())
    @intrinsic
    def load2(_context, array, index):
        def lower(context, builder, signature, values):
            loaded = builder.load(_two(context, builder, signature.args, values)); loaded.align = 8
            return context.make_tuple(builder, signature.return_type, [builder.extract_element(loaded, INT32(i)) for i in range(2)])
        return types.UniTuple(types.float32, 2)(array, index), lower
    @intrinsic
    def store2(_context, array, index, a, b):
        def lower(context, builder, signature, values):
            vector = TWO(ir.Undefined)
            for i in range(2): vector = builder.insert_element(vector, values[2 + i], INT32(i))
            builder.store(vector, _two(context, builder, signature.args, values)).align = 8
            return context.get_dummy_value()
        return types.void(array, index, types.float32, types.float32), lower
    @intrinsic
    def store1(_context, array, index, a):
        def lower(context, builder, signature, values):
            builder.store(values[2], _address(context, builder, signature.args, values))
            return context.get_dummy_value()
        return types.void(array, index, types.float32), lower
