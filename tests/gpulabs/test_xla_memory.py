from gpulabs.xla_memory import parse, read_dump

DUMP = """BufferAssignment:
allocation 0: size 400, parameter 0, shape |f32[10,10]| at ShapeIndex {}, maybe-live-out:
 value: <1 arg0.1 @0> (size=400,offset=0): f32[10,10]{1,0}
allocation 1: size 40, output shape is |(f32[])|, maybe-live-out:
 value: <2 add @0> (size=4,offset=0): f32[]
allocation 2: size 4, constant:
 value: <3 c @0> (size=4,offset=0): f32[]
allocation 3: size 900, preallocated-temp:
 value: <4 convolution.4 @0> (size=800,offset=0): f32[200]{0}

Total bytes used: 1344 (1.3KiB)

  Live ranges at 7 (peak):
    add.1{}: 100 bytes (cumulative: 100 bytes)
    convolution.4{}: 800 bytes (cumulative: 900 bytes)
"""


def test_allocations_are_summed_by_kind():
    found = parse(DUMP)
    assert found["parameter_bytes"] == 400
    assert found["output_bytes"] == 40
    assert found["constant_bytes"] == 4
    assert found["temp_bytes"] == 900
    assert found["total_bytes"] == 1344
    assert list(found["peak"].items()) == [("convolution.4", 800), ("add.1", 100)]


def test_the_largest_program_of_a_dump_is_read(tmp_path):
    assert read_dump(tmp_path) is None
    (tmp_path / "a.gpu_after_optimizations-buffer-assignment.txt").write_text("allocation 0: size 1, constant:\n")
    (tmp_path / "b.gpu_after_optimizations-buffer-assignment.txt").write_text(DUMP)
    assert read_dump(tmp_path)["total_bytes"] == 1344
