import numpy as np
import pytest

from napari_sam_onnx.evaluation.evaluate_tracks import evaluate_tracks
from napari_sam_onnx.pictures.image import ImageError
from napari_sam_onnx.planes import ArrayLabels
from napari_sam_onnx.stacks.tracks import (
    Frames,
    TrackError,
    TrackParameters,
    count_tracks,
    follow_objects,
    link_tracks,
    measure_objects,
    read_csv,
    read_ctc,
    tracks_from_labels,
    write_csv,
    write_ctc,
)
from tests.stacks.tracks.series import simulate_series


def follow(labels, axes="TYX", **settings):
    drawn = labels.astype(np.uint32)
    tracks = follow_objects(ArrayLabels(drawn, axes), TrackParameters(**settings))
    return drawn, tracks


def squares(*frames, size=40):
    """A series with a square of a side at each given place, numbered in order."""
    labels = np.zeros((len(frames), size, size), np.uint32)
    for t, places in enumerate(frames):
        for number, (y, x, side) in enumerate(places, 1):
            labels[t, y : y + side, x : x + side] = number
    return labels


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_links_and_divisions_of_simulated_series_are_right(seed):
    truth, parents, labels = simulate_series(seed)
    drawn, tracks = follow(labels)
    judged = evaluate_tracks(drawn, truth, tracks.parents, parents)
    right = judged.links - judged.edges_added - judged.edges_changed
    assert right / judged.links >= 0.95
    assert judged.edges_deleted <= 0.05 * judged.links
    assert judged.tra >= 0.95
    pairs = len(set(parents.values()))
    assert abs(count_tracks(tracks)["divisions"] - pairs) <= 1 + pairs // 10


def test_an_object_keeps_its_number_and_gaps_are_filled_where_it_should_be():
    labels = squares([(5, 5, 8)], [(7, 7, 8)], [], [(11, 11, 8)], [(13, 13, 8)])
    drawn, tracks = follow(labels)
    assert tracks.ids.tolist() == [1] and not tracks.parents
    filled = np.argwhere(drawn[2] == 1)
    assert (filled.min(axis=0), filled.max(axis=0)) == (
        pytest.approx([9, 9]),
        pytest.approx([16, 16]),
    )
    without, gone = follow(labels, max_gap=0, min_frames=1)
    assert not without[2].any() and len(gone.ids) == 2


def test_a_filled_gap_takes_nothing_from_others():
    labels = squares([(5, 5, 8), (20, 5, 8)], [(20, 5, 8)], [(5, 5, 8), (20, 5, 8)])
    labels[1][5:8, 5:13] = 9
    drawn, _ = follow(labels, min_frames=1, min_size=0)
    assert len(np.unique(drawn[1])) >= 3
    assert (drawn[1][5:8, 5:13] == drawn[1][5, 5]).all()


def test_a_division_has_two_daughters_alike_in_size():
    mother = [(10, 10, 14)]
    halves = [(10, 7, 10), (10, 19, 10)]
    drawn, tracks = follow(squares(mother, mother, halves, halves, halves))
    assert sorted(tracks.parents.values()) == [1, 1]
    assert tracks.graph == {2: [1], 3: [1]}
    assert set(np.unique(drawn[4])) == {0, 2, 3}
    _, forbidden = follow(squares(mother, mother, halves, halves, halves), divide=0)
    assert not forbidden.parents
    # A crumb that comes off is no daughter.
    crumb = [(10, 10, 14), (10, 25, 4)]
    _, crumbled = follow(squares(mother, mother, crumb, crumb, crumb), min_size=0)
    assert not crumbled.parents


def test_limits_leave_out_what_is_short_small_or_too_far():
    still = [(5, 5, 8)]
    flash = [(5, 5, 8), (25, 25, 8)]
    labels = squares(still, still, flash, flash, still, still)
    assert len(follow(labels)[1].ids) == 1
    assert len(follow(labels, min_frames=2)[1].ids) == 2
    small = squares(*[[(5, 5, 8), (25, 25, 2)]] * 4)
    assert len(follow(small)[1].ids) == 1
    assert len(follow(small, min_size=0)[1].ids) == 2
    jump = squares(*[[(5, 5, 8)]] * 3, *[[(5, 15, 8)]] * 3)
    assert len(follow(jump, max_move=0.6)[1].ids) == 2
    assert len(follow(jump, max_move=2)[1].ids) == 1


def test_volumes_are_followed_in_pixels_of_a_plane():
    labels = np.zeros((4, 3, 30, 30), np.uint32)
    for t in range(4):
        labels[t, :, 5 + t : 13 + t, 5:13] = 1 + t
        labels[t, 1, 20:28, 18:26] = 9 - t
    drawn = labels.copy()
    tracks = follow_objects(ArrayLabels(drawn, "TZYX"), None, thickness=3.0)
    assert len(tracks.ids) == 2
    assert tracks.objects.centers.shape[1] == 3 and tracks.table.shape == (8, 5)
    assert tracks.objects.centers[:, 0].tolist() == [3.0] * 8
    other = np.moveaxis(labels, 1, 0).copy()
    follow_objects(ArrayLabels(other, "ZTYX"))
    np.testing.assert_array_equal(np.moveaxis(other, 0, 1), drawn)


def test_axes_that_are_no_series_are_refused():
    with pytest.raises(ImageError, match="Tracks run along T"):
        Frames(ArrayLabels(np.zeros((3, 4, 4), np.uint32), "ZYX"))


def test_an_empty_series_has_no_tracks():
    drawn, tracks = follow(np.zeros((3, 9, 9), np.uint32))
    assert not drawn.any() and not len(tracks.ids) and tracks.table.shape == (0, 4)


def test_tracks_survive_files(tmp_path):
    truth, parents, _ = simulate_series(3)
    tracks = tracks_from_labels(lambda t: truth[t], len(truth), parents)
    write_ctc(tmp_path / "res", tracks, lambda t: truth[t], len(truth))
    labels, again = read_ctc(tmp_path / "res")
    np.testing.assert_array_equal(labels, truth)
    assert again.spans == tracks.spans and again.parents == parents
    line = (tmp_path / "res" / "res_track.txt").read_text().splitlines()[0]
    assert line == f"1 0 {tracks.spans[1][1]} 0"
    write_csv(tmp_path / "tracks.csv", tracks)
    table = read_csv(tmp_path / "tracks.csv")
    assert table.parents == parents
    np.testing.assert_allclose(table.table, tracks.table, atol=1e-3)
    with pytest.raises(TrackError, match="holds something already"):
        write_ctc(tmp_path / "res", tracks, lambda t: truth[t], len(truth))


def test_files_that_are_no_tracks_are_refused(tmp_path):
    with pytest.raises(TrackError, match="holds no res_track"):
        read_ctc(tmp_path)
    (tmp_path / "res_track.txt").write_text("1 0 one 0\n")
    with pytest.raises(TrackError, match="lacks frames"):
        read_ctc(tmp_path)
    (tmp_path / "bad.csv").write_text("track,frame\n1,2\n")
    with pytest.raises(TrackError, match="lacks the columns label"):
        read_csv(tmp_path / "bad.csv")
    import tifffile

    tifffile.imwrite(tmp_path / "mask000.tif", np.zeros((4, 4), np.uint16))
    with pytest.raises(TrackError, match="not four numbers"):
        read_ctc(tmp_path)


def test_without_the_library_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr("napari_sam_onnx.stacks.tracks.link.find_spec", lambda _: None)
    objects = measure_objects(lambda _: np.eye(3, dtype=int), 2)
    with pytest.raises(TrackError, match=r"napari-sam-onnx\[tracks\]"):
        link_tracks(objects, TrackParameters())
