"""`satsegment segment`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from .cli_progress import Bar
from .errors import InputError


def add_parser(commands) -> None:
    """Adds the command to the parser's."""
    segment = commands.add_parser("segment", help="segment a scan")
    segment.set_defaults(run=_segment)
    segment.add_argument("image", type=Path, help="NIfTI, NRRD, MetaImage, or a DICOM folder")
    add_model_options(segment)
    segment.add_argument(
        "--roi", nargs=6, type=float, metavar=("R0", "A0", "S0", "R1", "A1", "S1"), help="only this box, RAS mm"
    )
    segment.add_argument(
        "--output", type=Path, help="FILE.seg.nrrd; FILE.nii.gz, one label map; FILE.dcm of a DICOM scan"
    )
    segment.add_argument("--masks", type=Path, help="folder for one NIfTI mask a term")
    segment.add_argument("--table", type=Path, help="volumes and intensities: FILE.csv or FILE.json")
    segment.add_argument("--overview", type=Path, help="picture of the result: FILE.png")
    segment.add_argument("--overwrite", action="store_true", help="replace files that exist")
    segment.add_argument("--json", action="store_true", help="print the results as JSON")


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say which model is to run, where and how, and what is done to its masks."""
    parser.add_argument("--terms", nargs="+", required=True, metavar="TERM", help='such as "right lung" "spinal cord"')
    parser.add_argument("--modality", default="auto", help="auto (default), ct, mri, pet or us")
    parser.add_argument("--model", default="sat-tiny", help="name or folder (default: sat-tiny, built in)")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")
    parser.add_argument("--precision", default="auto", help="auto (default), float32, float16, bfloat16")
    parser.add_argument("--skip-air", action="store_true", help="leave out windows of nothing but air")
    parser.add_argument("--largest-component", action="store_true", help="keep the largest part of each mask only")
    parser.add_argument("--fill-holes", action="store_true", help="fill what masks enclose")
    parser.add_argument("--radiomics", action="store_true", help="measure radiomics too, by pyradiomics")


def _segment(options: argparse.Namespace) -> None:
    from .anatomy.prompts import clean_terms, free_text, prompts_of
    from .imaging import Volume, modality_of_word
    from .models import find_model
    from .output import check_targets, mask_paths
    from .output.measurements import check_radiomics

    start = time.perf_counter()
    terms = clean_terms(options.terms)
    if options.radiomics:
        check_radiomics()
    _check_suffixes(options)
    files = [path for path in (options.output, options.table, options.overview) if path]
    masks = mask_paths(options.masks, terms) if options.masks else []
    targets = [path.resolve() for path in (*files, *masks)]
    if len(set(targets)) < len(targets) or options.image.resolve() in targets:
        raise InputError("Each output needs a name of its own, and none may be the image's.")
    check_targets(targets, options.overwrite)
    model = find_model(options.model)
    modality = None if options.modality == "auto" else modality_of_word(options.modality)
    volume = Volume.read(options.image, modality)
    _check_sources(targets, volume)
    if options.output and options.output.suffix.lower() == ".dcm":
        _check_dicom_seg(volume)
    say(volume.source.notes if volume.source else ())

    from .inference import Predictor
    from .models.loading import load

    loaded = load(model)
    trained = [(term.term, term.modality) for term in loaded.terms]
    prompts, notes = prompts_of(terms, trained, volume.modality)
    free = free_text(prompts, trained, volume.modality, loaded.folder.name)
    say([*notes, *free.values()])
    predictor = Predictor(loaded.network, loaded.prompts, options.device, options.precision)
    asked = list(dict.fromkeys(prompts.values()))
    loaded.prompts.encode(asked, volume.modality)  # a missing text encoder is found before the long part
    ready = time.perf_counter()
    bar = Bar("window")
    try:
        predictor.set_image(volume, roi=options.roi, skip_air=options.skip_air, progress=bar)
        encoded = time.perf_counter()
        results = {result.prompt: result for result in predictor.predict(asked, progress=bar)}
        segmented = time.perf_counter()
    finally:
        bar.close()
        predictor.store.close()

    rows, outputs = _write(options, volume, {term: results[prompt] for term, prompt in prompts.items()}, model.name)
    seconds = {"prepare": ready - start, "encode": encoded - ready, "segment": segmented - encoded}
    for row in rows:
        row["free_text"] = row["name"] in free
    if options.json:
        report = {
            "image": str(options.image),
            "model": model.name,
            "modality": volume.modality,
            "device": str(predictor.device),
            "seconds": {stage: round(value, 3) for stage, value in seconds.items()},
            "segments": rows,
            "outputs": outputs,
        }
        print(json.dumps(report, indent=2))
    else:
        _print_results(volume, model, predictor, rows, seconds, outputs)


def say(sentences: Iterable[str]) -> None:
    """Notes on stderr."""
    for sentence in sentences:
        print(f"satsegment: {sentence}", file=sys.stderr)


def _check_suffixes(options: argparse.Namespace) -> None:
    for name, path, suffixes in (
        ("--output", options.output, (".seg.nrrd", ".nii.gz", ".nii", ".dcm")),
        ("--table", options.table, (".csv", ".json")),
        ("--overview", options.overview, (".png",)),
    ):
        if path and not path.name.lower().endswith(suffixes):
            raise InputError(f"{name} must end in {' or '.join(suffixes)}; {path.name} does not.")


def _check_sources(targets: list[Path], volume) -> None:
    """Refuses to replace a file that the scan was read from."""
    files = volume.source.files if volume.source else ()
    for target in targets:
        if target.exists() and any(target.samefile(file) for file in files if file.exists()):
            raise InputError(f"{target} is one of the images of {volume.name}; give another name.")


def _check_dicom_seg(volume) -> None:
    from .output.dicom_seg import check_dicom_seg, source_slices

    check_dicom_seg(volume)
    source_slices(volume)  # refuses headers that a DICOM SEG cannot refer to


def _write(options: argparse.Namespace, volume, results, model: str) -> tuple[list[dict], dict[str, str]]:
    from .output import write_label_map, write_masks, write_overview, write_seg_nrrd, write_table
    from .output.dicom_seg import write_dicom_seg
    from .output.made_by import made_by
    from .output.measured import measured

    segments, rows = [], []
    for term, result in results.items():
        found = result.prompt, result.region, result.confidence
        asked = options.largest_component, options.fill_holes, options.radiomics
        segment, row = measured(volume, term, *found, *asked)
        segments.append(segment)
        rows.append(row)
    outputs = {}
    if options.masks:
        write_masks(options.masks, volume, segments)
        outputs["masks"] = str(options.masks)
    if options.table:
        write_table(options.table, rows)
        outputs["table"] = str(options.table)
    if options.overview:
        write_overview(options.overview, volume, segments, f"{volume.name} · {model}")
        outputs["overview"] = str(options.overview)
    if options.output:  # last, as terms that overlap do not fit a label map
        name = options.output.name.lower()
        metadata = made_by(model, options.largest_component, options.fill_holes)
        if name.endswith(".seg.nrrd"):
            write_seg_nrrd(options.output, volume, segments, metadata)
        elif name.endswith(".dcm"):
            write_dicom_seg(options.output, volume, segments, metadata)
        else:
            write_label_map(options.output, volume, segments)
        outputs["output"] = str(options.output)
    return rows, outputs


def _print_results(volume, model, predictor, rows, seconds, outputs) -> None:
    shape = " x ".join(map(str, volume.shape))
    print(f"{volume.name}: {volume.modality}, {shape} voxels; {model.title}, {predictor.device}")
    if model.built_in:
        print(model.note)
    width = max(len(row["name"]) for row in rows)
    print(f"\n{'term':{width}}  {'volume':>11}  {'confidence':>10}")
    for row in rows:
        confidence = f"{row['confidence']:10.2f}" if row["voxels"] else "   not found"
        print(
            f"{row['name']:{width}}  {row['volume_ml']:8.1f} ml {confidence}{'  free text' if row['free_text'] else ''}"
        )
    print(f"\n{seconds['encode']:.1f} s for the image, {seconds['segment']:.1f} s for the terms")
    for path in outputs.values():
        print(f"wrote {path}")
