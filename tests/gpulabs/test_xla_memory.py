from gpulabs.xla_memory import layer_workspaces, parse, read_dump

DUMP = """BufferAssignment:
allocation 0: size 400, parameter 0, shape |f32[10,10]| at ShapeIndex {}, maybe-live-out:
 value: <1 arg0.1 @0> (size=400,offset=0): f32[10,10]{1,0}
allocation 1: size 40, output shape is |(f32[])|, maybe-live-out:
 value: <2 add @0> (size=4,offset=0): f32[]
allocation 2: size 4, constant:
 value: <3 c @0> (size=4,offset=0): f32[]
allocation 3: size 1000, preallocated-temp:
 value: <4 conv.4{0} @0> (size=600,offset=0): f32[150]{0}
 value: <5 conv.4{1} @0> (size=50,offset=900): u8[50]{0}
 value: <6 in_place @0> (size=600,offset=0): f32[150]{0}
 value: <7 late @0> (size=200,offset=650): f32[50]{0}

Total bytes used: 1444 (1.4KiB)

HloLiveRange (max 9):
  InstructionSequence:
    0:arg0.1
  BufferLiveRange:
    arg0.1{}:0-9
    conv.4{0}:1-3
    conv.4{1}:1-1
    in_place{}:3-6
    late{}:3-7
"""
PROGRAM = """ENTRY %main {
  %conv.4 = (f32[150]{0}, u8[50]{0}) custom-call(%a, %b), custom_call_target="__cudnn$convForward", metadata={op_name="cnn/conv2d_7/convolution"}
  %bw.1 = (f32[10]{0}, u8[9]{0}) custom-call(%a, %b), custom_call_target="__cudnn$convBackwardFilter", metadata={op_name="gradient_tape/cnn/conv2d_7/convolution/Filter"}
  %bw.2 = (f32[10]{0}, u8[8]{0}) custom-call(%a, %b), custom_call_target="__cudnn$convBackwardInput", metadata={op_name="gradient_tape/cnn/conv2d_7/convolution/Input"}
  %gemm = (f32[10]{0}, s8[70]{0}) custom-call(%a, %b), custom_call_target="__cublas$gemm", metadata={op_name="cnn/dense_1/MatMul"}
  ROOT %late = f32[50]{0} fusion(%in_place), kind=kLoop, metadata={op_type="x" op_name="pool/late"}
}
"""  # noqa: E501 (as XLA writes it)


def test_allocations_are_summed_by_kind():
    found = parse(DUMP)
    assert found["parameter_bytes"] == 400
    assert found["output_bytes"] == 40
    assert found["constant_bytes"] == 4
    assert found["temp_bytes"] == 1000
    assert found["total_bytes"] == 1444


def test_the_peak_counts_bytes_that_are_worked_on_in_place_once():
    found = parse(DUMP, PROGRAM)
    assert found["live_bytes"] == 800
    assert sorted(found["peak"].values()) == [200, 600]
    assert found["operations"]["late"] == "pool/late"


def test_the_scratch_space_of_libraries_is_found_by_layer():
    found = parse(DUMP, PROGRAM)["workspaces"]
    assert found["cnn/conv2d_7/convolution"] == 50
    assert layer_workspaces(found) == {"forward, conv1": 50, "backward, conv1": 9, "forward, dense1": 70}
    assert parse(DUMP)["workspaces"] == {}


def test_the_largest_program_of_a_dump_is_read(tmp_path):
    assert read_dump(tmp_path) is None
    (tmp_path / "a.gpu_after_optimizations-buffer-assignment.txt").write_text("allocation 0: size 1, constant:\n")
    assignment, lifetimes = DUMP.split("HloLiveRange")
    (tmp_path / "b.gpu_after_optimizations-buffer-assignment.txt").write_text(assignment)
    (tmp_path / "b.gpu_after_optimizations-live-range.txt").write_text(lifetimes)
    (tmp_path / "b.gpu_after_optimizations.txt").write_text(PROGRAM)
    found = read_dump(tmp_path)
    assert found["total_bytes"] == 1444
    assert found["live_bytes"] == 800
    assert len(found["workspaces"]) == 4
