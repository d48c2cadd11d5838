-- Each series of radiographs goes to the bridge once no more of it arrives.
function OnStableSeries(seriesId, tags, metadata)
  local modality = ParseJson(RestApiGet('/series/' .. seriesId))['MainDicomTags']['Modality']
  if modality == 'CR' or modality == 'DX' then
    RestApiPost('/modalities/CXRSHIFT/store', DumpJson({Resources={seriesId}, Asynchronous=true}, true), false)
  end
end
