"""Lists of files on the command line."""

from pathlib import Path

from cryoal.cli.arguments import expanded, spread


def test_a_list_option_takes_all_words_up_to_the_next_option() -> None:
    words = ["run", "--labels", "a", "b", "c", "--diameter", "100", "--labels", "d", "--quiet"]
    assert spread(words) == [
        *("run", "--labels", "a", "--labels", "b", "--labels", "c"),
        *("--diameter", "100", "--labels", "d", "--quiet"),
    ]


def test_other_words_stay_as_they_are() -> None:
    words = ["label", "w", "a", "b", "--as", "particle", "--labels"]
    assert spread(words) == words


def test_quoted_globs_are_expanded_and_plain_names_kept(tmp_path: Path) -> None:
    for name in ("b.star", "a.star", "c[1].star"):
        (tmp_path / name).touch()
    odd, missing = tmp_path / "c[1].star", tmp_path / "no.star"
    assert expanded([tmp_path / "[ab].star", odd, missing]) == (tmp_path / "a.star", tmp_path / "b.star", odd, missing)
