from __future__ import annotations

from autograder.isolation import landlock


def test_a_file_gets_rights_of_files_and_a_folder_all(tmp_path):
    file = tmp_path / "file"
    file.touch()
    rules = dict(landlock.ruleset(7, [str(file), str(tmp_path)], [], tmp_path / "gone").rules)
    assert rules == {
        str(file): landlock.EXECUTE | landlock.READ_FILE,
        str(tmp_path): landlock.READ,
    }


def test_the_work_folder_makes_files_but_runs_no_programs_and_makes_no_devices(tmp_path):
    rights = dict(landlock.ruleset(7, [], [], tmp_path).rules)[str(tmp_path)]
    assert rights & landlock.MAKE_REG
    assert not rights & (landlock.EXECUTE | landlock.MAKE_CHAR | landlock.MAKE_BLOCK | landlock.MAKE_SOCK)


def test_an_older_kernel_is_asked_only_for_what_it_knows(tmp_path):
    for abi, size, network, scopes in ((1, 8, 0, 0), (3, 8, 0, 0), (4, 16, 3, 0), (6, 24, 3, 3), (7, 24, 3, 3)):
        made = landlock.ruleset(abi, [], [], tmp_path)
        assert (made.size, made.network, made.scopes) == (size, network, scopes)
        assert bool(made.files & landlock.REFER) == (abi >= 2)
        assert bool(made.files & landlock.TRUNCATE) == (abi >= 3)
        assert bool(made.files & landlock.IOCTL_DEV) == (abi >= 5)
        assert all(not rights & ~made.files for _, rights in made.rules)
